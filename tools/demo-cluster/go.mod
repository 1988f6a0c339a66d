module kube-airlock.dev/tools/demo-cluster

go 1.26
