package awstest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"time"
)

// Namespaces of the services with XML, as their models have them.
func namespace(service string) string {
	switch service {
	case "iam":
		return "https://iam.amazonaws.com/doc/2010-05-08/"
	case "sts":
		return "https://sts.amazonaws.com/doc/2011-06-15/"
	case "rds":
		return "http://rds.amazonaws.com/doc/2014-10-31/"
	default:
		return "http://ec2.amazonaws.com/doc/2016-11-15"
	}
}

func isJSON(service string) bool { return service == "ds" || service == "secretsmanager" }

func contentType(service string) string {
	if isJSON(service) {
		return "application/x-amz-json-1.1"
	}
	return "text/xml;charset=UTF-8"
}

// id is the request id of a call: the same in every run of a test.
func (k Call) id() string {
	sum := sha256.Sum256(fmt.Append(nil, k.Number, k.Service, k.Action))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// write puts the answer on the wire's form, into the call.
func (c *Cloud) write(out *served) {
	k := &out.call
	if out.drop {
		return
	}
	k.Status = 200
	var body []byte
	var err error
	switch {
	case out.err != nil:
		k.Status, k.Code = out.err.worded(k.Service)
		body, err = errorBody(k, out.err.message)
	case isJSON(k.Service):
		body, err = json.Marshal(out.answer)
	default:
		body, err = xmlBody(k, out.answer)
	}
	if err != nil {
		panic("awstest: an answer that cannot be written: " + err.Error())
	}
	k.Response = body
}

func errorBody(k *Call, message string) ([]byte, error) {
	type fault struct {
		Type    string `xml:",omitempty"`
		Code    string
		Message string
	}
	f := fault{"Sender", k.Code, message}
	if k.Status >= 500 {
		f.Type = "Receiver"
	}
	switch {
	case isJSON(k.Service):
		return json.Marshal(map[string]string{"__type": k.Code, "message": message})
	case k.Service == "ec2":
		f.Type = ""
		return xml.Marshal(struct {
			XMLName   xml.Name `xml:"Response"`
			Error     fault    `xml:"Errors>Error"`
			RequestID string
		}{Error: f, RequestID: k.id()})
	default:
		return xml.Marshal(struct {
			XMLName   xml.Name
			Error     fault
			RequestID string `xml:"RequestId"`
		}{XMLName: xml.Name{Space: namespace(k.Service), Local: "ErrorResponse"}, Error: f, RequestID: k.id()})
	}
}

// xmlBody puts the result into the envelope of its protocol.
func xmlBody(k *Call, result any) ([]byte, error) {
	var inner []byte
	if result != nil {
		var b bytes.Buffer
		if err := xml.NewEncoder(&b).EncodeElement(result, xml.StartElement{Name: xml.Name{Local: k.Action + "Result"}}); err != nil {
			return nil, err
		}
		inner = b.Bytes()
	}
	outer := xml.Name{Space: namespace(k.Service), Local: k.Action + "Response"}
	if k.Service == "ec2" {
		return xml.Marshal(struct {
			XMLName   xml.Name
			RequestID string `xml:"requestId"`
			Inner     []byte `xml:",innerxml"`
		}{outer, k.id(), children(inner)})
	}
	return xml.Marshal(struct {
		XMLName xml.Name
		Inner   []byte `xml:",innerxml"`
	}{outer, append(inner, "<ResponseMetadata><RequestId>"+k.id()+"</RequestId></ResponseMetadata>"...)})
}

// instant is a time as the services write it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// epoch is a time as the services with JSON write it.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// children is what stands inside the one element of a text.
func children(element []byte) []byte {
	from, to := bytes.IndexByte(element, '>')+1, bytes.LastIndexByte(element, '<')
	if to < from {
		return nil
	}
	return element[from:to]
}
