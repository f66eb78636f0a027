package gateway

import (
	"fmt"

	"photongate/protocol"
)

// roomKeys are the settings of the device "gateway", with what they mean.
var roomKeys = []struct{ key, title string }{
	{"quota", "how much of the disk the journal may take"},
	{"keep_free", "what stays free on the disk"},
}

// list is the settings of the gateway.
func (k *keeper) list(locked string) []protocol.DeviceSetting {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []protocol.DeviceSetting
	for _, r := range roomKeys {
		list = append(list, protocol.DeviceSetting{
			Device: gatewayStream, Key: r.key, Value: k.roomTextLocked(r.key), How: "configured", Title: r.title, Kind: "text", Locked: locked,
		})
	}
	return list
}

// roomTextLocked is a setting for people.
func (k *keeper) roomTextLocked(key string) string {
	quota, keepFree := k.limitsLocked()
	amount, bytes := k.quota, quota
	if key == "keep_free" {
		amount, bytes = k.keepFree, keepFree
	}
	switch {
	case amount == Amount{}:
		return SizeText(bytes)
	case amount.Percent != 0:
		return fmt.Sprintf("%v, which is %s", amount, SizeText(bytes))
	}
	return amount.String()
}

// set changes a setting of the gateway until it ends. It touches no file: what
// has to go goes at the next look.
func (k *keeper) set(key, value string) (old, now string, err error) {
	a, err := parseAmount(value)
	if err != nil {
		return "", "", refuse(protocol.ReplyValue, "%s = %s: %v", key, value, err)
	}
	if a == (Amount{}) {
		return "", "", refuse(protocol.ReplyValue, "%s = %s is impossible (expected more than 0)", key, value)
	}
	check, where := checkQuota, &k.quota
	switch key {
	case "quota":
	case "keep_free":
		check, where = checkKeepFree, &k.keepFree
	default:
		return "", "", refuse(protocol.ReplyUnknown, "the gateway has no setting %q (expected one of quota, keep_free)", key)
	}
	if err := check(a); err != nil {
		return "", "", refuse(protocol.ReplyValue, "%s = %v", key, err)
	}
	k.mu.Lock()
	old = k.roomTextLocked(key)
	*where = a
	now = k.roomTextLocked(key)
	k.mu.Unlock()
	k.log.Info().Str("key", key).Str("old", old).Str("new", now).Msg("setting of the gateway changed")
	k.trouble.wake()
	return old, now, nil
}

// setGateway changes a setting of the gateway itself.
func (c *control) setGateway(by *asker, who string, ask *protocol.Request, r *protocol.Reply) error {
	if err := c.mayChange(by); err != nil {
		return err
	}
	old, now, err := c.room.set(ask.Key, ask.Value)
	if err != nil {
		return err
	}
	event := protocol.Event{What: protocol.EventSet, Who: who, From: by.from, Key: ask.Key, Old: old, New: now, Text: ask.Key + " of the gateway from " + old + " to " + now}
	at, err := c.record(&event)
	if err != nil {
		return err
	}
	r.TNs, r.Change = protocol.Int64(at), &event
	r.Settings = c.room.list("")
	r.Text = fmt.Sprintf("this lasts until the gateway ends; to keep it, write %s = %q under [gateway]", ask.Key, ask.Value)
	return nil
}

// getGateway lists the settings of the gateway itself.
func (c *control) getGateway(by *asker, ask *protocol.Request, r *protocol.Reply) error {
	locked := ""
	if by.may(protocol.DoSet) != nil {
		locked = "needs the gateway's token"
	} else if err := c.mayChange(by); err != nil {
		locked = err.Error()
	}
	for _, s := range c.room.list(locked) {
		if ask.Key == "" || s.Key == ask.Key {
			r.Settings = append(r.Settings, s)
		}
	}
	if len(r.Settings) == 0 {
		return refuse(protocol.ReplyUnknown, "the gateway has no setting %q (expected one of quota, keep_free)", ask.Key)
	}
	return nil
}

// forget has an archive hold nothing back any more. One that is connected would
// not be told.
func (c *control) forget(by *asker, who, name string) error {
	for _, e := range c.room.archives.snapshot() {
		if e.Name == name && c.room.here()[e.ID] {
			return refuse(protocol.ReplyBusy, "the archive %q is connected: end its photonrecv first", name)
		}
	}
	as := *by
	as.name = who
	return c.room.archives.forget(name, &as)
}
