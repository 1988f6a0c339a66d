# k8s.io/apimachinery pkg/runtime/scheme.go
#
# A scheme registers each type's conversion into itself, and asks reflection for the type's method first, some thousands of times
# in each tool. What is asked here, whether the type can be copied, is asked when a conversion is; one that cannot gets the
# answer that Converter gives for a conversion that nobody registered.
/^	\/\/ if the type implements DeepCopyInto(<obj>), register a self-conversion$/,/^	if m := /{
	s/^	if m := .*$/	{/
}
s/^			\/\/ copy a to b$/			m := reflect.ValueOf(a).MethodByName("DeepCopyInto")\
			if !m.IsValid() || m.Type().NumIn() != 1 || m.Type().NumOut() != 0 || m.Type().In(0) != reflect.TypeOf(a) {\
				t := reflect.TypeOf(a).Elem()\
				return fmt.Errorf("converting (%s) to (%s): unknown conversion", t, t)\
			}\
&/
s/^			reflect.ValueOf(a).MethodByName("DeepCopyInto").Call(/			m.Call(/
