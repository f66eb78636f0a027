// Package asking is what commands have in common that ask a gateway for
// something over a session: who asks, settings for people, exit codes.
package asking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"text/tabwriter"

	"photongate/cmd/internal/cli"
	"photongate/protocol"
	"photongate/receiver"
)

// WhoAmI is the person at this computer: ana@desk.
func WhoAmI() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if i := strings.LastIndexAny(name, `\/`); i >= 0 { // DOMAIN\ana
		name = name[i+1:]
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	host, _, _ = strings.Cut(host, ".")
	return strings.Trim(name+"@"+host, "@")
}

// Failed gives an error of a request its exit code: what the user can mend on
// the command line is usage.
func Failed(err error) error {
	refused, ok := errors.AsType[*receiver.NotDone](err)
	usage := ok && slices.Contains([]string{protocol.ReplyUnknown, protocol.ReplyValue, protocol.ReplyLimit}, refused.Code)
	if usage || errors.Is(err, receiver.ErrUsage) {
		return &cli.Error{Code: cli.Usage, Err: err}
	}
	return &cli.Error{Code: cli.Incomplete, Err: err}
}

// Get writes the settings of all devices, of one, or one setting (the words of
// a command line: [DEVICE [KEY]]), and closes the client.
func Get(ctx context.Context, client *receiver.Client, words []string, asJSON bool, w io.Writer) error {
	ask := protocol.Request{Do: protocol.DoGet}
	if len(words) > 0 {
		ask.Device = words[0]
	}
	if len(words) > 1 {
		ask.Key = words[1]
	}
	got, err := client.Do(ctx, ask)
	if err = errors.Join(err, client.Close()); err != nil {
		return Failed(err)
	}
	if asJSON {
		return JSON(w, protocol.List[protocol.DeviceSetting](got.Settings))
	}
	if ask.Key != "" {
		return writeOne(w, &got.Settings[0])
	}
	return writeAll(w, got.Settings)
}

// Assignment reads what a setting is to be from the words of a command line:
// KEY=VALUE, or KEY VALUE.
func Assignment(words []string) (key, value string, err error) {
	key, value, ok := strings.Cut(words[0], "=")
	switch {
	case !ok && len(words) == 2:
		value = words[1]
	case !ok || len(words) != 1:
		return "", "", cli.Wrong("%s: write KEY=VALUE, as in gate=200ms", strings.Join(words, " "))
	}
	if key = strings.TrimSpace(key); key == "" {
		return "", "", cli.Wrong("%s: which setting? Write KEY=VALUE, as in gate=200ms", strings.Join(words, " "))
	}
	return key, strings.TrimSpace(value), nil
}

// Set asks for a change, writes what came of it, and closes the client.
func Set(ctx context.Context, client *receiver.Client, ask protocol.Request, asJSON bool, w io.Writer) error {
	ask.Do = protocol.DoSet
	got, err := client.Do(ctx, ask)
	if err = errors.Join(err, client.Close()); err != nil {
		return Failed(err)
	}
	if asJSON {
		return JSON(w, got)
	}
	_, err = io.WriteString(w, changeText(ask.Device, ask.Key, &got))
	return err
}

// JSON writes a value as indented JSON.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// changeText says what a change did.
func changeText(device, key string, got *protocol.Reply) string {
	text := device + " " + key
	if e := got.Change; e != nil {
		text += ": "
		if e.Old != "" {
			text += e.Old + " -> "
		}
		text += e.New
		if device == "gateway" {
			text += " (it is in force)"
		} else if e.ReadBack != "" {
			text += " (the instrument says " + e.ReadBack + ")"
		} else {
			text += " (the instrument does not say what it is now)"
		}
	}
	if got.Text != "" {
		text += "\n" + got.Text
	}
	return text + "\n"
}

// writeAll writes a line for each setting.
func writeAll(w io.Writer, settings []protocol.DeviceSetting) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DEVICE\tKEY\tVALUE\tKNOWN HOW\tMAY BE")
	for _, s := range settings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.Device, s.Key, valueText(&s), orDash(s.How), rangeText(&s))
	}
	return table.Flush()
}

// writeOne writes all there is to say of one setting.
func writeOne(w io.Writer, s *protocol.DeviceSetting) error {
	fmt.Fprintf(w, "%s %s: %s", s.Device, s.Key, valueText(s))
	if s.How != "" {
		fmt.Fprintf(w, " (%s)", s.How)
	}
	fmt.Fprintln(w)
	if s.Title != "" {
		fmt.Fprintln(w, s.Title)
	}
	_, err := fmt.Fprintln(w, "may be:", rangeText(s))
	return err
}

func valueText(s *protocol.DeviceSetting) string {
	if s.Value == "" {
		return "not known"
	}
	return strings.TrimSpace(s.Value + " " + s.Unit)
}

// rangeText says what a setting may be.
func rangeText(s *protocol.DeviceSetting) string {
	text := s.Kind
	switch {
	case s.Kind == "":
		return "cannot be set"
	case len(s.Choices) > 0:
		text = strings.Join(s.Choices, ", ")
	case s.Kind == "boolean":
		text = "true, false"
	case s.Min != "" && s.Max != "":
		text = s.Min + " to " + s.Max
	}
	if s.Locked != "" {
		text += " (not now: " + s.Locked + ")"
	}
	return text
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
