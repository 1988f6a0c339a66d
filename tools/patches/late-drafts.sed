# github.com/santhosh-tekuri/jsonschema/v6 draft.go compiler.go
#
# The five drafts of JSON schema are compiled when the first compiler is made: helm reads a schema where a chart has one.
s/^	"strings"$/&\
	"sync"/
s/^func init() {$/var compiled sync.Once\
\
func compileDrafts() {/
s/^	c := NewCompiler()$/	c := newCompiler()/
s/^func NewCompiler() \*Compiler {$/&\
	compiled.Do(compileDrafts)\
	return newCompiler()\
}\
\
func newCompiler() *Compiler {/
