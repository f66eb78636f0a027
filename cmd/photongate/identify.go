package main

import (
	"context"
	"slices"
	"strings"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/gateway"

	"github.com/rs/zerolog"
)

// identify finds the instruments that can be identified for sure: ports with
// the USB id of a driver whose instrument answers as only it does. Ports with
// other ids, those of serial chips among them, are not opened.
func identify(ctx context.Context, log zerolog.Logger) ([]gateway.DeviceConfig, error) {
	there, err := presentPorts()
	if err != nil {
		return nil, err
	}
	var sure []gateway.DeviceConfig
	var seen []string
	for _, f := range there {
		seen = append(seen, f.Port)
		for _, d := range f.Drivers {
			if !mayAsk(d.driver, d.id) {
				continue
			}
			if _, _, err := ask(ctx, d.driver, d.Config); err != nil {
				log.Warn().Str("port", f.Port).Str("driver", d.Driver).Err(err).Msg("looked like an instrument and is not served")
				continue
			}
			sure = append(sure, gateway.DeviceConfig{Name: freeName(d.Driver, sure), Driver: d.Driver, Port: d.Config})
			break
		}
	}
	if len(sure) > 0 {
		return sure, nil
	}
	ports := "no serial port is present"
	if len(seen) > 0 {
		ports = "serial ports present: " + strings.Join(seen, ", ")
	}
	return nil, cli.Wrong("no configuration file (%s), and nothing here can be identified for sure; %s\n"+
		"name the instrument:  photongate run --device cd48@/dev/ttyACM0\n"+
		"see what there is:    photongate devices\n"+
		"or see it work first: photongate demo", strings.Join(configPlaces(), ", "), ports)
}

// mayAsk reports whether a driver may ask unbidden what is behind a USB id: not on a
// serial chip that anything may hang on.
func mayAsk(driver device.Driver, id device.USBID) bool {
	return driver.Identity == device.Confirmed && driver.Transport == device.Serial &&
		slices.ContainsFunc(driver.USB, func(own device.USBID) bool { return own.Same(id) && !own.Adapter })
}
