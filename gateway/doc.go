// Package gateway reads the configured instruments, batches what they count
// into frames, keeps the frames in a journal and serves them over TCP.
//
// Data flow in one direction only: a device's read loop fills batches, its
// batcher turns them into frames and appends them to the device's stream in
// the journal, and each session reads the journal at its own pace. Nothing
// downstream can hold up a read.
//
// [LoadConfig] and [Config.Validate] read a configuration, [New] makes a
// [Gateway] of it, [Gateway.Run] runs it until its context ends.
package gateway
