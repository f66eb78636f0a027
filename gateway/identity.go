package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"

	"photongate/protocol"
	"photongate/protocol/journal"
	"photongate/protocol/pairing"
)

// maxOwnAddresses bounds the addresses in a pairing line.
const maxOwnAddresses = 12

// identify reads the gateway's key and token, or makes them. A gateway that
// only serves its own computer goes on without.
func (g *Gateway) identify(dir string) (*pairing.Identity, error) {
	id, err := pairing.LoadIdentity(dir)
	if err == nil {
		return id, nil
	}
	if slices.ContainsFunc(g.config.Listen, reachesOut) || slices.ContainsFunc(g.config.Forward, reachesOut) {
		return nil, fmt.Errorf("without its key and token the gateway cannot serve other computers: %w", err)
	}
	g.log.Warn().Err(err).Msg("going on without key and token: nobody can change settings or begin measurements, and other computers could not be served")
	return nil, nil
}

// invite leaves what programs of this user on this computer need, and hands on
// what is to be pasted on others, if they can reach the gateway. The function it
// returns takes the former back.
func (g *Gateway) invite(v *server, j *journal.Journal, listeners []net.Listener) (takeBack func()) {
	if v.identity == nil {
		return func() {}
	}
	var listen []string
	for _, l := range listeners {
		listen = append(listen, l.Addr().String())
	}
	v.checkToken()
	v.renewed = func() { g.leaveLocal(v.identity, j.ID(), listen) }
	v.renewed()
	if slices.ContainsFunc(listen, reachesOut) || slices.ContainsFunc(g.config.Forward, reachesOut) {
		g.tellPairing(v.identity, listen)
	}
	return func() { _ = pairing.RemoveLocal(j.ID()) } // it may not have been written
}

func (g *Gateway) leaveLocal(id *pairing.Identity, journalID protocol.ID, listen []string) {
	p, err := id.Pairing(g.config.Name, addressesHere(listen))
	if err == nil {
		p.Journal = journalID
		err = pairing.SaveLocal(p)
	}
	if err != nil {
		g.log.Warn().Err(err).Msg("programs on this computer will not find the token: they can read, and change nothing")
	}
}

func (g *Gateway) tellPairing(id *pairing.Identity, listen []string) {
	addresses := addressesOutside(listen, interfaces())
	if len(addresses) == 0 && !slices.ContainsFunc(g.config.Forward, reachesOut) {
		g.log.Warn().Msg("this computer has no address in a network just now; when it has one, photongate pair prints the line for other computers")
		return
	}
	p, err := id.Pairing(g.config.Name, addresses)
	if err != nil {
		g.log.Error().Err(err).Msg("no line for other computers")
		return
	}
	if g.deps.OnPairing != nil {
		g.deps.OnPairing(p)
	}
}

// Identity is the key and token of the gateway with this configuration, which
// must have run once.
func (c Config) Identity() (*pairing.Identity, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	id, err := pairing.FindIdentity(c.Journal)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no key in the journal's folder %s: the gateway makes it at its first start; if it runs already, name its configuration with -c", c.Journal)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the gateway's key and token are for its own user: call this as that user, or with sudo (%w)", err)
	}
	return id, err
}

// Pairing is what a workstation must know of the gateway with this
// configuration and identity.
func (c Config) Pairing(id *pairing.Identity) (pairing.Pairing, error) {
	c, err := c.withDefaults()
	if err != nil {
		return pairing.Pairing{}, err
	}
	dials := slices.ContainsFunc(c.Forward, reachesOut) // nobody needs an address of it
	if !dials && !slices.ContainsFunc(c.Listen, reachesOut) {
		return pairing.Pairing{}, fmt.Errorf("this gateway listens on %s, where only its own computer reaches it: set listen = \"0.0.0.0:%s\" under [gateway] and start it again",
			strings.Join(c.Listen, " and "), DefaultPort)
	}
	addresses := addressesOutside(c.Listen, interfaces())
	if len(addresses) == 0 && !dials {
		return pairing.Pairing{}, errors.New("this computer has no address in a network just now: plug in the cable, or join the network, and call this again")
	}
	return id.Pairing(c.Name, addresses)
}

// reachesOut reports whether an address that is listened on can be reached
// from other computers.
func reachesOut(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || host == "localhost" {
		return false
	}
	ip := net.ParseIP(host)
	return ip == nil || !ip.IsLoopback()
}

// nic is a network interface with its addresses.
type nic struct {
	name string
	ips  []net.IP
}

// interfaces lists those that are up and lead somewhere.
func interfaces() []nic {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var list []nic
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		n := nic{name: i.Name}
		for _, a := range addrs {
			if ipNet, ok := a.(*net.IPNet); ok {
				n.ips = append(n.ips, ipNet.IP)
			}
		}
		list = append(list, n)
	}
	return list
}

// inner are beginnings of the names of interfaces that containers and virtual
// machines on this computer have: nobody else reaches them.
var inner = []string{"docker", "br-", "virbr", "veth", "cni", "lxc"}

// addressesOutside turns what is listened on into the addresses that other
// computers can use: IPv4 first, no link-local ones.
func addressesOutside(listen []string, nics []nic) []string {
	var four, six []string
	add := func(ip net.IP, port string) {
		address := net.JoinHostPort(ip.String(), port)
		switch {
		case !ip.IsGlobalUnicast() || slices.Contains(four, address) || slices.Contains(six, address):
		case ip.To4() != nil:
			four = append(four, address)
		default:
			six = append(six, address)
		}
	}
	var names []string
	for _, one := range listen {
		host, port, err := net.SplitHostPort(one)
		if err != nil || !reachesOut(one) {
			continue
		}
		ip := net.ParseIP(host)
		switch {
		case host != "" && ip == nil:
			names = append(names, one)
		case host != "" && !ip.IsUnspecified():
			add(ip, port)
		default:
			only4 := host != "" && ip.To4() != nil
			for _, n := range nics {
				if slices.ContainsFunc(inner, func(s string) bool { return strings.HasPrefix(n.name, s) }) {
					continue
				}
				for _, own := range n.ips {
					if !only4 || own.To4() != nil {
						add(own, port)
					}
				}
			}
		}
	}
	all := slices.Concat(four, names, six)
	return all[:min(len(all), maxOwnAddresses)]
}

// addressesHere turns what is listened on into the addresses that programs on
// this computer can use.
func addressesHere(listen []string) []string {
	var list []string
	for _, one := range listen {
		host, port, err := net.SplitHostPort(one)
		if err != nil {
			continue
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
			if ip != nil && ip.To4() == nil {
				list = append(list, net.JoinHostPort("::1", port))
			}
		}
		list = append(list, net.JoinHostPort(host, port))
	}
	return list
}
