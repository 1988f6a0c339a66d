module kube-airlock.dev/tests/probe

go 1.26.0

require kube-airlock.dev/tools/warm v0.0.0

replace kube-airlock.dev/tools/warm => ../../../tools/warm
