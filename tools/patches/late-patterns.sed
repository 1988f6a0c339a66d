# github.com/asaskevich/govalidator patterns.go
#
# Regular expressions are compiled when something is first held against them.
/^import "regexp"$/{
	a\
import "sync"\
\
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
func (l *lateRegexp) MatchString(s string) bool { return l.compiled().MatchString(s) }
}
s/= regexp[.]MustCompile(\(.*\))$/= \&lateRegexp{pattern: \1}/
