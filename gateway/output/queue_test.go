package output

import (
	"bytes"
	"strings"
	"testing"
)

func TestQueue(t *testing.T) {
	put := func(q *queue, texts ...string) (dropped int) {
		for _, text := range texts {
			dropped += q.put([]byte(text), strings.HasPrefix(text, "keep"))
		}
		return dropped
	}
	takes := func(q *queue, max int, want string) {
		t.Helper()
		if got, _ := q.take(nil, max); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}

	q := newQueue()
	put(q, "aa", "bb", "cccccc", "d")
	takes(q, 5, "aabb")
	takes(q, 5, "cccccc") // one block goes whatever its size
	if err := q.answer([]byte("first")); err != nil {
		t.Error(err)
	}
	takes(q, 5, "first") // answers do not wait for blocks
	takes(q, 5, "d")
	takes(q, 5, "")

	q = newQueue()
	q.limit = 3
	if n := put(q, "keep1", "a", "b", "c", "d"); n != 2 {
		t.Errorf("dropped %d, want 2", n)
	}
	takes(q, 100, "keep1cd")
	if n := put(q, "keep1", "keep2", "keep3", "keep4"); n != 1 {
		t.Errorf("dropped %d, want 1", n)
	}
	takes(q, 100, "keep2keep3keep4")
	if sent, dropped := q.counts(); sent != 6 || dropped != 3 {
		t.Errorf("got %d sent and %d dropped, want 6 and 3", sent, dropped)
	}

	q = newQueue()
	large := strings.Repeat("x", queueBytes)
	if n := put(q, large+"x"); n != 0 {
		t.Errorf("a block alone was dropped")
	}
	if n := put(q, "y"); n != 1 {
		t.Errorf("dropped %d, want 1", n)
	}
	takes(q, 100, "y")

	q = newQueue()
	q.ackEach()
	put(q, "a", "b")
	takes(q, 100, "")
	q.release()
	takes(q, 100, "a")
	takes(q, 100, "")
	q.release()
	takes(q, 100, "b")

	q = newQueue()
	put(q, "a", "b")
	q.clear()
	put(q, "c")
	q.end()
	put(q, "d")
	if got, done := q.take(nil, 100); string(got) != "c" || done {
		t.Errorf("got %q, %v", got, done)
	}
	if got, done := q.take(nil, 100); len(got) != 0 || !done {
		t.Errorf("got %q, %v", got, done)
	}
}

// What a client is sent when it does not keep up is in order and whole.
func FuzzQueue(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\xff\xff"))
	f.Fuzz(func(t *testing.T, do []byte) {
		q := newQueue()
		q.limit = 4
		var sent []byte
		put, dropped := 0, 0
		for i, b := range do {
			if b%3 > 0 {
				dropped += q.put([]byte{byte(i), byte(i)}, b%16 == 1)
				put++
				continue
			}
			out, _ := q.take(nil, int(b))
			sent = append(sent, out...)
		}
		q.end()
		for done := false; !done; {
			var out []byte
			out, done = q.take(nil, 2)
			sent = append(sent, out...)
		}
		if len(sent)/2+dropped != put {
			t.Errorf("%d put, %d sent, %d dropped", put, len(sent)/2, dropped)
		}
		for i := 0; i+1 < len(sent); i += 2 {
			if sent[i] != sent[i+1] || len(do) < 256 && i > 0 && sent[i] <= sent[i-1] {
				t.Fatalf("sent % X", sent)
			}
		}
		if bytes.Equal(sent, nil) && put > dropped {
			t.Error("nothing was sent")
		}
	})
}
