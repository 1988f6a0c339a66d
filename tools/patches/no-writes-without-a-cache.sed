# k8s.io/client-go discovery/cached/disk/cached_discovery.go
#
# The cache of discovery tries to make its directory for each group of the API, some thirty times a command. Where it cannot make one,
# as below a home that nobody may write, it does not try again: the error, which only a log of level 1 and above
# tells, is the first one's.
s/^	openapiClient .*$/&\
	unwritable error/
s/^	if err := os.MkdirAll(filepath.Dir(filename), 0750); err != nil {$/	d.mutex.Lock()\
	unwritable := d.unwritable\
	d.mutex.Unlock()\
	if unwritable != nil {\
		return unwritable\
	}\
&\
		d.mutex.Lock()\
		d.unwritable = err\
		d.mutex.Unlock()/
