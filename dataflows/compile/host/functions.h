/* Functions of a compiled network; the constants above are those of this network and this design. */

#ifndef NETWORK_READ /* how registers are reached: define both for an operating system's way, or for a model of the device */
#define NETWORK_READ(address) (*(volatile uint32_t *)(address))
#define NETWORK_WRITE(address, value) (*(volatile uint32_t *)(address) = (value))
#endif
#ifndef NETWORK_MEMORY_READ /* how memory is reached: by aligned words of 32 bits, so that it may be mapped as device memory too */
#define NETWORK_MEMORY_READ(address) (*(const volatile uint32_t *)(const void *)(address))
#define NETWORK_MEMORY_WRITE(address, value) (*(volatile uint32_t *)(void *)(address) = (value))
#endif
#ifndef NETWORK_WAIT /* called while layers run: sleep until irq, or nothing */
#define NETWORK_WAIT() ((void)0)
#endif
#ifndef NETWORK_POLLS /* looks at STATUS without a layer ending after which the device is given up; less than 2^32 */
#define NETWORK_POLLS 100000000u
#endif
#ifndef NETWORK_CLEAN /* write caches back before the accelerator reads; forget them before the host reads */
#define NETWORK_CLEAN(pointer, bytes) ((void)(pointer), (void)(bytes))
#define NETWORK_INVALIDATE(pointer, bytes) ((void)(pointer), (void)(bytes))
#endif

#ifndef NETWORK_FENCE /* what was written to memory before is there before a register is written or memory read */
#if defined(__GNUC__)
#define NETWORK_FENCE() __sync_synchronize()
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L && !defined(__STDC_NO_ATOMICS__)
#include <stdatomic.h>
#define NETWORK_FENCE() atomic_thread_fence(memory_order_seq_cst)
#else
#error "define NETWORK_FENCE(): a barrier that orders accesses of memory and of registers"
#endif
#endif

#define NETWORK_NO_DEVICE (-1)    /* no accelerator with this register map is there */
#define NETWORK_BAD_ADDRESS (-2)  /* memory does not begin at a multiple of 4096, or ends beyond the addresses of the memory port */
#define NETWORK_OTHER_DESIGN (-3) /* the accelerator is not the one that the network was compiled for */
#define NETWORK_TIMEOUT (-4)      /* NETWORK_POLLS looks at a device that did nothing; if its memory never answers it needs aresetn */

/* An activation tensor: a stored value q stands for scale * (q - zero_point). */
struct network_tensor {
    const char *name;
    uint32_t beat, beats;                     /* where it lies */
    uint32_t images, channels, height, width; /* floats are given and returned in this order, images outermost */
    uint32_t bits;
    int32_t zero_point;
    double scale;
};

extern const struct network_tensor network_inputs[NETWORK_INPUTS];
extern const struct network_tensor network_outputs[NETWORK_OUTPUTS];
extern const uint32_t network_programs[NETWORK_PROGRAMS]; /* beat addresses for the queue, in order */

/* `registers` is where the host sees the register map, `memory` where it sees NETWORK_MEMORY_BYTES bytes of memory, which begin at
   `memory_address`, a multiple of 4096, for the accelerator. For the host `memory` is a multiple of 4. Where its caches do not see
   what the accelerator writes, map memory uncached or define NETWORK_CLEAN and NETWORK_INVALIDATE. */

/* Once, before memory is written: look for the device, reset it, tell it where memory begins. Returns 0 or one of the above. */
int network_begin(uintptr_t registers, uint64_t memory_address);
/* Once: copy image.bin (NETWORK_IMAGE_BYTES bytes) to its place. */
void network_load(uint8_t *memory, const uint8_t *image);
/* For every inference: quantise an input and lay it out; run all operations; read an output back.
   network_run returns 0, or the code of the ERROR register and the device is reset and can be used again, or NETWORK_TIMEOUT;
   if not 0, `layer`, unless NULL, gets the operation that failed or did not end, from 0 on. */
void network_write(uint8_t *memory, const struct network_tensor *tensor, const float *values);
int network_run(uintptr_t registers, uint32_t *layer);
void network_read(const uint8_t *memory, const struct network_tensor *tensor, float *values);

size_t network_elements(const struct network_tensor *tensor);
/* Round to nearest, ties to even, and saturate. */
int32_t network_quantize(const struct network_tensor *tensor, float value);
/* Cycles of all layers since reset. */
uint64_t network_cycles(uintptr_t registers);
void network_softmax(float *values, size_t count);
