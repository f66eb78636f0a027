package repeats

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Filter
		tell := func(key string, count int, now bool) {
			t.Helper()
			if n, told := f.Tell(key); n != count || told != now {
				t.Errorf("%s: got %d, %v, want %d, %v", key, n, told, count, now)
			}
		}
		tell("a", 1, true)
		tell("a", 1, false)
		tell("b", 1, true)
		tell("a", 2, false)
		time.Sleep(Every)
		tell("a", 3, true)
		tell("a", 1, false)
		// However many there are, what was told is not told again, and all that is
		// new shares one line.
		for i := range kept {
			f.Tell(fmt.Sprint(i))
		}
		tell("a", 2, false)
		tell("one more", 2, false)
		if len(f.seen) > kept+1 {
			t.Errorf("%d are kept", len(f.seen))
		}
		time.Sleep(2 * Every)
		tell("one more", 1, true)
	})
}
