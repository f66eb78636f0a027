package homebuilt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"photongate/device"
	"photongate/instrument"
)

var _ device.Checker = (*source)(nil)

// Check implements device.Checker for the settings that can be read back. One that
// is not answered is left as it is.
func (s *source) Check() error {
	if s.failed != nil {
		return s.failed
	}
	readable := func(x instrument.Setting) bool { return !x.Read.IsEmpty() }
	if !slices.ContainsFunc(s.o.f.Settings, readable) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), setLimit)
	defer cancel()
	err := s.pause(s.o.clock() + int64(setLimit))
	var changed []string
	if err == nil {
		changed, err = s.changed(ctx)
		s.resume()
	}
	switch {
	case errors.Is(err, device.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return nil // it owes an answer, and may yet give it
	case err != nil:
		return deviceError("check", s.port, err)
	case changed != nil:
		return deviceError("check", s.port, fmt.Errorf("%w: %s", device.ErrChanged, strings.Join(changed, ", ")))
	}
	return nil
}

// changed reads settings back and says which differ from those known. A difference
// counts when it came twice: lines carry no checksum.
func (s *source) changed(ctx context.Context) (list []string, err error) {
	for i := range s.o.f.Settings {
		x := &s.o.f.Settings[i]
		k := slices.IndexFunc(s.desc.Settings, func(d device.Setting) bool { return d.Key == x.Name && d.How == device.ReadBack })
		if x.Read.IsEmpty() || k < 0 {
			continue
		}
		was, is := s.desc.Settings[k].Value, ""
		for range 2 {
			now, err := s.o.set(ctx, x, nil)
			if err != nil {
				return nil, err
			}
			if now.How != device.ReadBack || now.Value == was || is != "" && now.Value != is {
				is = ""
				break
			}
			is = now.Value
		}
		if is != "" {
			list = append(list, fmt.Sprintf("%s was %s and is %s", x.Name, was, is))
		}
	}
	return list, nil
}
