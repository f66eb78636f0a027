package table

import (
	"runtime"
	"sync"
)

// crew does jobs on all processors and hands them back in the order in which they
// were given. At most as many as there are processors, and two more, are at work;
// who gives more waits for the oldest. Its goroutines are started with the first
// job and end with stop. One goroutine gives jobs.
type crew[J any] struct {
	work func() func(*J)  // makes what one worker does with a job, with memory of its own
	take func(*J) error   // takes a job that is done, in order
	todo chan *crewJob[J] // nil: no worker has been started
	line []*crewJob[J]    // at work, in order
	free []*crewJob[J]
	busy sync.WaitGroup
}

type crewJob[J any] struct {
	job  J
	done chan struct{} // takes one value when the job is done
}

// next returns the memory of a job that is to be given.
func (c *crew[J]) next() (*crewJob[J], error) {
	size := runtime.GOMAXPROCS(0)
	if c.todo == nil {
		c.todo = make(chan *crewJob[J], size+2)
		for range size {
			c.busy.Go(func() {
				do := c.work()
				for j := range c.todo {
					do(&j.job)
					j.done <- struct{}{}
				}
			})
		}
	}
	if len(c.line) >= size+2 {
		if err := c.oldest(); err != nil {
			return nil, err
		}
	}
	if n := len(c.free); n > 0 {
		j := c.free[n-1]
		c.free = c.free[:n-1]
		return j, nil
	}
	return &crewJob[J]{done: make(chan struct{}, 1)}, nil
}

// give has a job done that next returned.
func (c *crew[J]) give(j *crewJob[J]) {
	c.line = append(c.line, j)
	c.todo <- j
}

// oldest waits for the oldest job and hands it back.
func (c *crew[J]) oldest() error {
	j := c.line[0]
	c.line = append(c.line[:0], c.line[1:]...)
	<-j.done
	err := c.take(&j.job)
	c.free = append(c.free, j)
	return err
}

// drain hands back all jobs given. After an error the others are not handed back.
func (c *crew[J]) drain() error {
	for len(c.line) > 0 {
		if err := c.oldest(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the workers; what was not handed back is lost.
func (c *crew[J]) stop() {
	if c.todo == nil {
		return
	}
	close(c.todo)
	c.busy.Wait()
	c.todo, c.line, c.free = nil, nil, nil
}
