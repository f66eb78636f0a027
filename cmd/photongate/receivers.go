package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"photongate/cmd/internal/asking"
	"photongate/gateway"
	"photongate/protocol"
)

func newReceiversCommand() *cobra.Command {
	var r reach
	var asJSON bool
	c := &cobra.Command{
		Use:   "receivers",
		Short: "show which archives the gateway keeps its journal for",
		Long: `receivers lists the archives that the running gateway knows: each folder that a
photonrecv record writes, by the name it goes by. The journal keeps what one of
them has not fetched yet, as far as its quota allows, and for as long as it was
seen within the last 14 days (forget_after).

  NAME          as its photonrecv record calls it (--name)
  CONNECTED     whether it records just now
  LAST SEEN     when it confirmed something last, or was connected
  BEHIND        how much of the journal it has not confirmed to have on its disk;
                "seconds" is what is on its way
  OLDEST OF IT  how long ago the oldest of that was recorded
  HOLDS         whether the journal keeps for it what it lacks: "no" of one that
                was away for too long, or has all that it was to fetch
  DROPPED       how much went from the journal, for want of room, before it had
                confirmed it; it may have fetched that all the same, or never have
                wanted it: photonrecv verify there says what it lacks`,
		Example: `  photongate receivers
  photongate receivers forget ws-ana`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := r.connect(c)
			if err != nil {
				return asking.Failed(err)
			}
			got, err := client.Do(c.Context(), protocol.Request{Do: protocol.DoStatus})
			if err = errors.Join(err, client.Close()); err != nil {
				return asking.Failed(err)
			}
			if got.Status == nil {
				return asking.Failed(errors.New("the gateway answered without its status: is it of another version?"))
			}
			if asJSON {
				return asking.JSON(c.OutOrStdout(), got.Status.Archives)
			}
			return writeReceivers(c.OutOrStdout(), got.Status, time.Now())
		},
	}
	r.addFlags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write it as JSON")
	c.AddCommand(newForgetCommand())
	return c
}

func newForgetCommand() *cobra.Command {
	var r reach
	c := &cobra.Command{
		Use:   "forget NAME",
		Short: "keep nothing for an archive any more",
		Long: `forget has the gateway keep nothing for an archive any more, for one that does not
come back: a workstation that is gone, a folder that was deleted. Nothing is
dropped at once; but what only this archive lacks goes when room is needed. Who
had what forgotten is recorded. An archive that comes back is known anew.`,
		Example: `  photongate receivers forget ws-ana`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := r.connect(c)
			if err != nil {
				return asking.Failed(err)
			}
			_, err = client.Do(c.Context(), protocol.Request{Do: protocol.DoForget, Name: args[0]})
			if err = errors.Join(err, client.Close()); err != nil {
				return asking.Failed(err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "nothing is kept for %s any more\n", args[0])
			return err
		},
	}
	r.addFlags(c)
	return c
}

// writeReceivers writes a line for each archive.
func writeReceivers(w io.Writer, s *protocol.Status, now time.Time) error {
	if len(s.Archives) == 0 {
		_, err := fmt.Fprintln(w, "no archive is known that fetches from this journal: photonrecv record makes one")
		return err
	}
	if s.UTCNs != 0 {
		now = time.Unix(0, int64(s.UTCNs))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tCONNECTED\tLAST SEEN\tBEHIND\tOLDEST OF IT\tHOLDS\tDROPPED")
	for _, a := range s.Archives {
		connected, seen := "yes", "now"
		if !a.Connected {
			connected, seen = "no", gateway.SpanText(now.Sub(a.LastSeen).Round(time.Second))+" ago"
		}
		holds := "yes"
		if !a.Holds {
			holds = "no"
		}
		dropped := "-"
		if a.LostBytes > 0 {
			dropped = gateway.SizeText(int64(a.LostBytes))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", shownText(a.Name), connected, seen, behindBytes(&a), behindTime(&a), holds, dropped)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, a := range s.Archives {
		if a.Trouble != "" {
			if _, err := fmt.Fprintf(w, "\nTROUBLE at %s: %s\n", shownText(a.Name), shownText(a.Trouble)); err != nil {
				return err
			}
		}
	}
	return nil
}

// behindBytes is how much of the journal an archive lacks.
func behindBytes(a *protocol.ArchiveInfo) string {
	switch {
	case !a.Holds:
		return "-"
	case a.BehindBytes == 0:
		return "nothing"
	case upToDate(a):
		return "seconds"
	}
	return gateway.SizeText(int64(a.BehindBytes))
}

// upToDate reports whether an archive lacks no more than what it is being sent:
// it confirms each second what it has on its disk.
func upToDate(a *protocol.ArchiveInfo) bool {
	return a.Connected && a.Holds && a.BehindBytes > 0 && a.BehindS != nil && *a.BehindS < 5
}

// behindTime is how long ago the oldest of it was recorded.
func behindTime(a *protocol.ArchiveInfo) string {
	if a.BehindS == nil || upToDate(a) {
		return "-"
	}
	return gateway.SpanText(time.Duration(*a.BehindS*1e9).Round(time.Second)) + " ago"
}
