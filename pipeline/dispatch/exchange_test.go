package dispatch

import (
	"reflect"
	"unsafe"

	"weir/pipeline"
)

func init() {
	lookExchange = func(c *pipeline.Context) pipeline.Exchange {
		f := reflect.ValueOf(c).Elem().FieldByName("x")
		return *(*pipeline.Exchange)(unsafe.Pointer(f.UnsafeAddr()))
	}
}
