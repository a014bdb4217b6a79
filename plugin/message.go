package plugin

import (
	"encoding/json"
	"strconv"

	sdkplugin "golang.zabbix.com/sdk/plugin"
	"golang.zabbix.com/sdk/plugin/comms"

	"redisjobs/metrics/jsondoc"
)

// message is any request of an agent: the union of the SDK's request types,
// so that a frame is decoded once.
type message struct {
	comms.Common
	ProtocolVersion string                   `json:"version"`
	Key             string                   `json:"key"`
	Params          []string                 `json:"parameters"`
	Timeout         int                      `json:"timeout"`
	PrivateOptions  any                      `json:"private_options"`
	GlobalOptions   *sdkplugin.GlobalOptions `json:"global_options"`
}

// sendJSON sends one of the SDK's response types.
func (w *frameWriter) sendJSON(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.send(func(dst []byte) []byte { return append(dst, body...) })
}

// sendValue sends a comms.ExportResponse with a value, given as the inside of
// a JSON string. It is written by hand because it is what the process does
// most; a test compares it with the type.
func (w *frameWriter) sendValue(id uint32, value []byte) error {
	return w.send(func(dst []byte) []byte {
		dst = appendExportHead(dst, id)
		dst = append(dst, `,"value":"`...)
		dst = append(dst, value...)
		return append(dst, `"}`...)
	})
}

// sendError sends a comms.ExportResponse with an error text, which must not be
// empty.
func (w *frameWriter) sendError(id uint32, text string) error {
	return w.send(func(dst []byte) []byte {
		dst = appendExportHead(dst, id)
		dst = append(dst, `,"error":`...)
		dst = jsondoc.AppendString(dst, text)
		return append(dst, '}')
	})
}

func appendExportHead(dst []byte, id uint32) []byte {
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendUint(dst, uint64(id), 10)
	dst = append(dst, `,"type":`...)
	return strconv.AppendUint(dst, comms.ExportResponseType, 10)
}
