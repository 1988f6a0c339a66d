package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"time"
)

// talkToItself listens twice, asks each listener for its own port by the Host of a request, and then waits, so
// that others can try to get in. It tells how many requests each has heard that were not its own.
func talkToItself() (string, error) {
	heard := make(chan string, 64)
	var ports []int
	for range 2 {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		port := listener.Addr().(*net.TCPAddr).Port
		ports = append(ports, port)
		go answer(listener, port, heard)
	}
	report := ""
	for _, port := range append(ports, ports...) {
		answered, err := askItself(port)
		if err != nil {
			return "", err
		}
		if answered != fmt.Sprint(port) {
			report += fmt.Sprintf("%d was answered by %s; ", port, answered)
		}
		<-heard
	}
	deadline := time.After(2 * time.Second)
	for {
		select {
		case request := <-heard:
			report += "a stranger got in: " + request + "; "
		case <-deadline:
			return report + "talked", nil
		}
	}
}

func answer(listener net.Listener, port int, heard chan<- string) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			request, err := http.ReadRequest(bufio.NewReader(connection))
			if err != nil {
				heard <- err.Error()
				return
			}
			fmt.Fprintf(connection, "HTTP/1.0 200 OK\r\n\r\n%d", port)
			heard <- request.URL.Path
		}()
	}
}

func askItself(port int) (string, error) {
	connection, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	fmt.Fprintf(connection, "GET /own HTTP/1.1\r\nHost: localhost:%d\r\n\r\n", port)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return "", err
	}
	var answered string
	_, err = fmt.Fscan(response.Body, &answered)
	return answered, err
}
