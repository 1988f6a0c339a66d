# k8s.io/component-base metrics/legacyregistry/registry.go
#
# kubectl counts what it does and serves the counts to nobody; collectors of the process and of Go's runtime, which list some
# hundred of its metrics at every start, are for servers.
s/^	RawMustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))$//
s/^	RawMustRegister(collectors.NewGoCollector(.*$//
s/^	"github.com\/prometheus\/client_golang\/prometheus\/collectors"$//
