package benchmarks

import (
	"encoding/json"

	jsoniter "github.com/json-iterator/go"
	"github.com/ugorji/go/codec"
)

// A decoder reads bytes into a document.
type decoder struct {
	name   string
	decode func(body []byte, into *document) error
}

// decoders are the ones that the client's own, which is not exported, is
// compared with.
func decoders() []decoder {
	handle := &codec.JsonHandle{}
	return []decoder{
		{"json-iterator", func(body []byte, into *document) error {
			return jsoniter.ConfigCompatibleWithStandardLibrary.Unmarshal(body, into)
		}},
		{"json-iterator fastest", func(body []byte, into *document) error {
			return jsoniter.ConfigFastest.Unmarshal(body, into)
		}},
		{"ugorji", func(body []byte, into *document) error {
			return codec.NewDecoderBytes(body, handle).Decode(into)
		}},
		{"encoding/json", func(body []byte, into *document) error {
			return json.Unmarshal(body, into)
		}},
	}
}
