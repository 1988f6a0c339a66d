# k8s.io/client-go discovery/cached/disk/cached_discovery.go
#
# What discovery found is read from and written to what main says, where it says something, instead of files: a program
# that was started for one request has none of an earlier one's. Names are those of the files, below the folder that
# all servers' are in.
/^\/\/ CachedDiscoveryClient implements the functions that/i\
// Cache holds what discovery has found, by the names of the files that it would be in. Nil: it is in files.\
var Cache interface {\
	Load(name string) ([]byte, bool)\
	Store(name string, content []byte)\
}\

/^	file, err := os.Open(filename)$/i\
	if Cache != nil {\
		name, err := filepath.Rel(filepath.Dir(d.cacheDirectory), filename)\
		if err != nil {\
			return nil, err\
		}\
		content, found := Cache.Load(name)\
		if !found {\
			return nil, os.ErrNotExist\
		}\
		d.mutex.Lock()\
		defer d.mutex.Unlock()\
		d.fresh = d.fresh \&\& ourFile\
		return content, nil\
	}\

/^func (d \*CachedDiscoveryClient) writeCachedFile(/a\
	if Cache != nil {\
		name, err := filepath.Rel(filepath.Dir(d.cacheDirectory), filename)\
		if err != nil {\
			return err\
		}\
		content, err := runtime.Encode(scheme.Codecs.LegacyCodec(), obj)\
		if err != nil {\
			return err\
		}\
		Cache.Store(name, content)\
		d.mutex.Lock()\
		defer d.mutex.Unlock()\
		d.ourFiles[filename] = struct{}{}\
		return nil\
	}\

