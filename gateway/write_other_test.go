//go:build !linux

package gateway

import (
	"net"
	"testing"
)

func isNoDelay(*testing.T, net.Conn) (on, known bool) { return false, false }

func segmentsSent(*testing.T, net.Conn) (n uint32, known bool) { return 0, false }
