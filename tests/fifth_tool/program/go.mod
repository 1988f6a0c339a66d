module kube-airlock.dev/tests/fifth

go 1.26.0

require (
	github.com/spf13/cobra v1.10.2
	kube-airlock.dev/tools/catalogue v0.0.0
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
)

replace kube-airlock.dev/tools/catalogue => ../../../tools/catalogue
