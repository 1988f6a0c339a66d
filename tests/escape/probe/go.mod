module kube-airlock.dev/tests/probe

go 1.26
