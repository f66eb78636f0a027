package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"photongate/cmd/internal/cli"
	"photongate/device"
	"photongate/device/all"
	"photongate/device/serialport"
	"photongate/gateway"

	"github.com/rs/zerolog"
)

// identifyLimit bounds how long one port is asked what it is.
const identifyLimit = 10 * time.Second

// identify finds the instruments that can be identified for sure: ports with
// the USB id of a driver whose instrument answers as only it does. Ports with
// other ids, those of serial chips among them, are not opened.
func identify(ctx context.Context, log zerolog.Logger) ([]gateway.DeviceConfig, error) {
	infos, err := serialport.List()
	if err != nil {
		return nil, fmt.Errorf("list serial ports: %w", err)
	}
	var found []gateway.DeviceConfig
	var seen []string
	for _, i := range infos {
		p := describePort(i, infos, all.Drivers())
		seen = append(seen, p.Port)
		for _, name := range p.Drivers {
			driver, ok := all.Find(name)
			if !ok || !mayAsk(driver, i.ID) {
				continue
			}
			if err := answers(ctx, driver, p.Config); err != nil {
				log.Warn().Str("port", p.Port).Str("driver", name).Err(err).Msg("looked like an instrument and is not served")
				continue
			}
			found = append(found, gateway.DeviceConfig{Name: freeName(name, found), Driver: name, Port: p.Config})
			break
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	there := "no serial port is present"
	if len(seen) > 0 {
		there = "serial ports present: " + strings.Join(seen, ", ")
	}
	return nil, cli.Wrong("no configuration file (%s), and nothing here can be identified for sure; %s\n"+
		"name the instrument:  photongate run --device cd48@/dev/ttyACM0\n"+
		"see what there is:    photongate devices\n"+
		"or see it work first: photongate demo", strings.Join(configPlaces(), ", "), there)
}

// mayAsk reports whether a driver may ask unbidden what is behind a USB id: not on a
// serial chip that anything may hang on.
func mayAsk(driver device.Driver, id device.USBID) bool {
	return driver.Identity == device.Confirmed && driver.Transport == device.Serial &&
		slices.ContainsFunc(driver.USB, func(own device.USBID) bool { return own.Same(id) && !own.Adapter })
}

// answers opens a port and asks whether the driver's instrument is behind it.
func answers(ctx context.Context, driver device.Driver, port string) error {
	ctx, cancel := context.WithTimeout(ctx, identifyLimit)
	defer cancel()
	start := time.Now()
	clock := func() int64 { return int64(time.Since(start)) }
	p, err := serialport.Open(ctx, port, driver.Line, clock)
	if err != nil {
		return err
	}
	source, err := driver.Open(ctx, device.OpenRequest{Port: p, Clock: clock})
	if err != nil {
		return errors.Join(err, p.Close())
	}
	return source.Close()
}
