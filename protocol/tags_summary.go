package protocol

import "fmt"

// TagsSummary is what a tags payload says ahead of the tags: for who counts, and
// tells of losses, without decoding any tag. Its memory is used again.
type TagsSummary struct {
	Totals []uint64  // tags of each channel
	Last   uint64    // tick of the last tag; Until where there is none
	Until  uint64    // as Tags.Until
	Losses []TagLoss // as Tags.Losses
}

// Parse reads it from the payload of a tags frame, whose checksum must have been
// verified. Errors are as TagsDecoder.Decode gives them; after one the content
// of s means nothing.
func (s *TagsSummary) Parse(payload []byte) error {
	if err := s.parse(payload); err != nil {
		return fmt.Errorf("tags frame: %w", err)
	}
	return nil
}

func (s *TagsSummary) parse(payload []byte) error {
	head, rest, err := parseTagsHead(payload)
	if err != nil {
		return err
	}
	s.Totals, s.Last = resize(s.Totals, head.channels), head.last
	b := head.totals
	for c := range s.Totals {
		if s.Totals[c], b, err = parseUvarint(b, "total"); err != nil {
			return err
		}
	}
	t := Tags{Losses: s.Losses}
	_, err = head.rest(rest, &t)
	s.Until, s.Losses = t.Until, t.Losses
	return err
}
