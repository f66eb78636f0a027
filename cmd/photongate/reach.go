package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/asking"
	"photongate/gateway"
	"photongate/receiver"
)

// reach says which gateway a command asks: by default that of this computer.
type reach struct {
	addr string
	file string
}

func (r *reach) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.addr, "addr", "", "address of the gateway, or the name it was paired by (default: where the configuration listens, else localhost)")
	f.StringVarP(&r.file, "config", "c", "", "configuration file of the gateway")
}

// connect opens a session with it. What is odd about it is told on standard
// error.
func (r *reach) connect(c *cobra.Command) (*receiver.Client, error) {
	addr, err := r.address()
	if err != nil {
		return nil, err
	}
	client, err := receiver.Connect(c.Context(), addr, receiver.ConnectOptions{Software: software(), Who: asking.WhoAmI()})
	if err != nil {
		return nil, err
	}
	for _, note := range client.Notes() {
		fmt.Fprintln(c.ErrOrStderr(), note)
	}
	return client, nil
}

// address is what to connect to.
func (r *reach) address() (string, error) {
	file := r.file
	if r.addr != "" {
		return r.addr, nil
	}
	if file == "" {
		file = existingConfig()
	}
	if file == "" {
		return gateway.DefaultListen, nil
	}
	config, err := gateway.LoadConfig(file)
	if err != nil {
		return "", configError(err)
	}
	if len(config.Listen) == 0 {
		return gateway.DefaultListen, nil
	}
	return nearest(config.Listen[0]), nil
}

// nearest is an address to connect to on this computer, for one that listens.
func nearest(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		host, port = listen, gateway.DefaultPort
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
