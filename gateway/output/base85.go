package output

// base85Digits are the digits of RFC 1924, which Python's base64.b85encode uses.
const base85Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"

// appendBase85 appends data as base64.b85encode of Python writes it: each four
// bytes, big-endian, as five digits, the most significant first. The last one
// to three bytes are padded with zeros, and as many digits are left off.
func appendBase85(dst, data []byte) []byte {
	for len(data) > 0 {
		n := min(len(data), 4)
		var word uint32
		for i := range n {
			word |= uint32(data[i]) << (24 - 8*i)
		}
		var digits [5]byte
		for i := 4; i >= 0; i-- {
			digits[i] = base85Digits[word%85]
			word /= 85
		}
		dst = append(dst, digits[:n+1]...)
		data = data[n:]
	}
	return dst
}
