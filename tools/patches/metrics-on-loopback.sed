# github.com/argoproj/argo-cd/v3 controller/appcontroller.go
#
# For the demo cluster: no flag keeps the controller's metrics off the network.
s/0[.]0[.]0[.]0:%d/127.0.0.1:%d/
