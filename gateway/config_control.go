package gateway

import (
	"fmt"
	"slices"
	"strings"

	"photongate/device"
)

// Words of Config.Control.
const (
	ControlToken = "token" // whoever shows the token
	ControlLocal = "local" // whoever shows the token, from this computer
	ControlOff   = "off"   // nobody
)

func checkControl(src *source, control string) {
	words := []string{ControlToken, ControlLocal, ControlOff}
	if control != "" && !slices.Contains(words, control) {
		src.report("gateway.control", "%q is not possible (who may change settings: expected one of %s)", control, strings.Join(words, ", "))
	}
}

// checkAllow refuses permissions that mean nothing.
func (d DeviceConfig) checkAllow(path string, src *source, driver *device.Driver) {
	var guarded []string
	for _, o := range driver.Options {
		if o.Guarded {
			guarded = append(guarded, o.Name)
		}
	}
	for i, key := range d.Allow {
		at := path + ".allow"
		if len(d.Allow) > 1 {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		switch {
		case slices.Contains(guarded, key):
		case len(guarded) == 0:
			src.report(at, "%q needs no permission: driver %s drives nothing outside its instrument (leave the key out)", key, driver.Name)
		default:
			src.report(at, "%q needs no permission (of driver %s only these do: %s)", key, driver.Name, strings.Join(guarded, ", "))
		}
	}
}
