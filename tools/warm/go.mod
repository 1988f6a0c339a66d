module kube-airlock.dev/tools/warm

go 1.26.0
