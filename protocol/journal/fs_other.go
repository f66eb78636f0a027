//go:build !unix

package journal

// syncDir does nothing: Windows has no call that syncs a folder, its file
// systems journal the names themselves.
func syncDir(string) error { return nil }
