module kube-airlock.dev/tools/catalogue

go 1.26.0

require (
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.9 // the oldest that a tool has: what is asked for here, all of them get at least
)

require github.com/inconshreveable/mousetrap v1.1.0 // indirect
