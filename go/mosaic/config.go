package mosaic

// #include <stdlib.h>
// #include "shim.h"
import "C"

import "unsafe"

// An Option is a driver's own setting.
type Option struct {
	Key, Value string
}

// A Config is a description of a mosaic: what a .mos file says (mosaic.mos(5)).
type Config struct {
	Name           string // the file's name without ".mos"
	Type, Location string // always there
	DefaultFS      string // "": the driver's first
	Metadata       string // "": "metadata"
	VolumeMap      string // "": names are as they are
	Options        []Option
}

// ReadConfig reads and checks a .mos file: a path, or a name that is looked for in the directories
// of MOSAIC_PATH. Errors say line and column.
func ReadConfig(what string) (*Config, error) {
	var t texts
	defer t.free()
	word := t.of(what)
	if err := t.check(); err != nil {
		return nil, err
	}
	var e C.struct_error
	c := (*C.struct_mosaic_config)(t.memory(C.size_t(unsafe.Sizeof(C.struct_mosaic_config{}))))
	if err := failure(C.mosaic_config_read(word, c, &e), &e); err != nil {
		return nil, err
	}
	defer C.mosaic_config_free(c)
	config := &Config{
		Name: C.GoString(c.name), Type: C.GoString(c._type), Location: C.GoString(c.location),
		DefaultFS: C.GoString(c.default_fs), Metadata: C.GoString(c.metadata),
		VolumeMap: C.GoString(c.volume_map),
	}
	if c.n_options > 0 {
		for _, o := range unsafe.Slice(c.options, int(c.n_options)) {
			config.Options = append(config.Options, Option{C.GoString(o.key), C.GoString(o.value)})
		}
	}
	return config, nil
}

// c is the description for C; t has its memory.
func (config *Config) c(t *texts) *C.struct_mosaic_config {
	c := (*C.struct_mosaic_config)(t.memory(C.size_t(unsafe.Sizeof(C.struct_mosaic_config{}))))
	c.name, c._type, c.location = t.of(config.Name), t.of(config.Type), t.of(config.Location)
	c.default_fs = t.orNull(config.DefaultFS)
	c.metadata = t.orNull(config.Metadata)
	c.volume_map = t.orNull(config.VolumeMap)
	if n := len(config.Options); n > 0 {
		c.options = (*C.struct_mosaic_option)(t.memory(C.size_t(n) * C.size_t(unsafe.Sizeof(C.struct_mosaic_option{}))))
		c.n_options = C.size_t(n)
		options := unsafe.Slice(c.options, n)
		for i, o := range config.Options {
			options[i].key, options[i].value = t.of(o.Key), t.of(o.Value)
		}
	}
	return c
}

// PoolFlags change how a pool is made.
type PoolFlags uint

// PoolForce makes the pool though the device holds something already.
const PoolForce PoolFlags = C.MOSAIC_POOL_FORCE

// A Pool is what a mosaic of type dm-thin lies in.
type Pool struct {
	Device       string // block device or file
	Size         uint64 // of a file to be made; 0: it is there
	BlockSize    uint32 // bytes; 0: 64 KiB
	MetadataSize uint64 // of the mosaic's own volume; 0: by the pool's size
	Flags        PoolFlags
}

// CreatePool makes a pool and the mosaic in it.
func CreatePool(config *Config, pool Pool) error {
	var t texts
	defer t.free()
	c := config.c(&t)
	how := C.struct_mosaic_pool{
		device: t.of(pool.Device), size: C.uint64_t(pool.Size), block_size: C.uint32_t(pool.BlockSize),
		metadata_size: C.uint64_t(pool.MetadataSize), flags: C.uint(pool.Flags),
	}
	if err := t.check(); err != nil {
		return err
	}
	var e C.struct_error
	return failure(C.mosaic_create_pool(c, &how, &e), &e)
}
