# github.com/distribution/reference regexp.go
#
# Regular expressions are compiled when something is first held against them.
/^	"strings"$/{
	a\
	"sync"
	n
	a\
type lateRegexp struct {\
	pattern string\
	once    sync.Once\
	regexp  *regexp.Regexp\
}\
\
func (l *lateRegexp) compiled() *regexp.Regexp {\
	l.once.Do(func() { l.regexp = regexp.MustCompile(l.pattern) })\
	return l.regexp\
}\
\
func (l *lateRegexp) MatchString(s string) bool { return l.compiled().MatchString(s) }\
\
func (l *lateRegexp) FindStringSubmatch(s string) []string { return l.compiled().FindStringSubmatch(s) }
}
s/= regexp[.]MustCompile(\(.*\))$/= \&lateRegexp{pattern: \1}/
