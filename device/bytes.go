package device

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ShowBytes shows the first bytes that came from an instrument to a person, as
// hex and as text: `63 0d "c\r"`. At most 32 are shown.
func ShowBytes(b []byte) string {
	if len(b) == 0 {
		return "no bytes"
	}
	shown := b[:min(len(b), 32)]
	s := fmt.Sprintf("% x %s", shown, strconv.QuoteToASCII(string(shown)))
	if len(b) > len(shown) {
		s += fmt.Sprintf(" and %d more", len(b)-len(shown))
	}
	return s
}

// Drain reads what an instrument sends until it has been quiet for a while, but
// no longer than limit, and returns the bytes (the last 64 KiB of them). An
// instrument that runs freely, or an old conversation, would otherwise be taken
// for an answer.
func Drain(ctx context.Context, p Port, clock Clock, quiet, limit time.Duration) ([]byte, error) {
	const keep = 64 << 10
	var all []byte
	buf := make([]byte, 4096)
	for end := clock() + int64(limit); ; {
		left := time.Duration(end - clock())
		if left <= 0 {
			return all, nil
		}
		if err := ctx.Err(); err != nil {
			return all, err
		}
		n, _, err := p.Read(buf, min(quiet, left))
		if errors.Is(err, ErrTimeout) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, buf[:n]...)
		if len(all) > keep {
			all = append(all[:0], all[len(all)-keep/2:]...)
		}
	}
}
