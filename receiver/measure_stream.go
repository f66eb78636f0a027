package receiver

import (
	"time"

	"github.com/rs/zerolog"

	"photongate/protocol"
	"photongate/protocol/table"
)

// measurer is one call of Measure. One goroutine uses it.
type measurer struct {
	o        *MeasureOptions
	log      zerolog.Logger
	way      *way           // to the gateway
	hello    protocol.Hello // of it, when the measurement began
	clocks   *table.ClockTable
	meta     Measurement
	cut      cut
	began    time.Time // when the gateway had said the moment of the begin
	settings []protocol.DeviceSetting
	folder   string
	store    *store

	order    []*streamMeasured          // as the gateway names its instruments
	gateway  *streamMeasured            // its own stream
	byID     map[uint32]*streamMeasured // of the present session
	base     protocol.ID                // of the present session
	ended    bool                       // by the person
	endNoted bool
	shown    time.Time // when progress was told last
}

// streamMeasured is one stream of a measurement.
type streamMeasured struct {
	name     string
	device   protocol.DeviceStatus
	decoder  *table.Decoder
	cut      *cutStream // nil for the stream "gateway"
	counted  table.Sink // takes tags as well, and has cut count them
	sink     *measuredSink
	meter    rateMeter
	first    *protocol.Descriptor // of the first part with a reading; nil: none yet
	heard    time.Time            // when its last frame came
	behind   int64                // by how much what came was behind when its time was over, at least; ns
	behindAt time.Time            // since when it does not catch up; zero: its time is not over
	givenUp  string               // why nothing more is waited for; empty: it is, or it is done
}

// measuredSink takes what belongs to a measurement: sums and files. Files that
// cannot be written do not end the measurement.
type measuredSink struct {
	*measuredSums
	files  *csvFiles // nil: none
	broken error     // of the files
	first  func(p *table.Part)
}

func newMeasurer(o *MeasureOptions) *measurer {
	m := &measurer{o: o, log: o.Log, clocks: table.NewClockTable()}
	m.meta = Measurement{
		Format: 1, ID: protocol.NewID(), Title: o.Title, Sample: o.Sample, Operator: o.Operator, Parameters: o.Set, Who: o.Who,
		State: MeasurementRunning, Software: o.Software, Streams: []MeasuredStream{},
	}
	m.cut.forNs, m.cut.asked = int64(o.For), o.Readings
	return m
}

// add takes a stream into the measurement.
func (m *measurer) add(d protocol.DeviceStatus) {
	s := &streamMeasured{name: d.Name, device: d, decoder: table.NewDecoder(m.hello.Name, d.Name, m.clocks), heard: time.Now()}
	s.sink = &measuredSink{measuredSums: newMeasuredSums(m.clocks)}
	s.sink.first = func(p *table.Part) {
		desc := p.Desc
		s.first = &desc
	}
	s.cut = newCutStream(&m.cut, m.clocks, s.sink)
	s.counted = table.CountTags(s.cut)
	m.order = append(m.order, s)
}

func (m *measurer) names() []string {
	var names []string
	for _, s := range m.order {
		names = append(names, s.name)
	}
	return names
}

// Readings implements table.Sink.
func (s *measuredSink) Readings(p *table.Part, firstIndex uint64, c *protocol.Counts) error {
	if s.readings == 0 {
		s.first(p)
	}
	s.file(func(f *csvFiles) error { return f.Readings(p, firstIndex, c) })
	return s.measuredSums.Readings(p, firstIndex, c)
}

// Gap implements table.Sink.
func (s *measuredSink) Gap(p *table.Part, g table.Gap) error {
	s.file(func(f *csvFiles) error { return f.Gap(p, g) })
	return s.measuredSums.Gap(p, g)
}

// Event implements table.Sink.
func (s *measuredSink) Event(p *table.Part, e table.Event) error {
	s.file(func(f *csvFiles) error { return f.Event(p, e) })
	return s.measuredSums.Event(p, e)
}

func (s *measuredSink) file(write func(*csvFiles) error) {
	if s.files != nil && s.broken == nil {
		s.broken = write(s.files)
	}
}
