# k8s.io/kubectl pkg/util/i18n/i18n.go
#
# The default translation maps each text to itself. To decompress, parse and look into it takes a third of the time of
# a small command; without it the text that is asked for is the answer. Other languages stay.
s/^\tlangStr := findLanguage(root, getLanguageFn)$/&\n\tif langStr == "default" {\n\t\ttranslationsLoaded = true\n\t\treturn nil\n\t}/
