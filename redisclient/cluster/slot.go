package cluster

import "strings"

// Slots is the number of hash slots of a cluster.
const Slots = 16384

// Slot is the hash slot of a key: CRC16 (XMODEM) of the part between the first
// { and the first } behind it, or of the whole key where that part is empty or
// missing.
// Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
func Slot(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, closed := strings.Cut(rest, "}"); closed && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^key[i]]
	}
	return int(crc) % Slots
}

var crcTable = func() (table [256]uint16) {
	const polynomial = 0x1021
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ polynomial
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()
