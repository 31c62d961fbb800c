/* Example for Linux: run the network once.
 *
 *     main DEVICE REGISTERS MEMORY IMAGE INPUT...
 *
 * DEVICE is /dev/mem or another file that can be mapped; REGISTERS and MEMORY are offsets in it, multiples of the page size: where
 * the register map and a reserved piece of memory of NETWORK_MEMORY_BYTES bytes begin. IMAGE is image.bin; each INPUT is a file of
 * float32, one for each input tensor. Prints every output value, and its softmax over the tensor.
 * Without an operating system call the same functions with addresses of your own, see network.h.
 */
#include "network.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "error: %s\n", what);
    return 1;
}

/* Read `size` bytes of a file that has no more; NULL if it has not. */
static void *read_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    void *data = malloc(size);
    int whole = file && data && fread(data, 1, size, file) == size && fgetc(file) == EOF;
    if (file)
        fclose(file);
    if (!whole) {
        free(data);
        return NULL;
    }
    return data;
}

static void *map(int device, const char *offset, size_t size)
{
    void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)strtoull(offset, NULL, 0));
    return found == MAP_FAILED ? NULL : found;
}

static int show(const uint8_t *memory, const struct network_tensor *tensor)
{
    size_t count = network_elements(tensor);
    float *values = malloc(2 * count * sizeof *values), *shares = values + count;
    if (!values)
        return fail("out of memory");
    network_read(memory, tensor, values);
    network_read(memory, tensor, shares);
    network_softmax(shares, count);
    for (size_t i = 0; i < count; i++)
        printf("%s %zu %.9g %.9g\n", tensor->name, i, (double)values[i], (double)shares[i]);
    free(values);
    return 0;
}

int main(int count, char **words)
{
    if (count != 5 + NETWORK_INPUTS)
        return fail("usage: main DEVICE REGISTERS MEMORY IMAGE INPUT...");
    int device = open(words[1], O_RDWR | O_SYNC);
    if (device < 0)
        return fail("the device cannot be opened");
    void *registers = map(device, words[2], 4096);
    uint8_t *memory = map(device, words[3], NETWORK_MEMORY_BYTES);
    if (!registers || !memory)
        return fail("registers or memory cannot be mapped");
    switch (network_begin((uintptr_t)registers, strtoull(words[3], NULL, 0))) {
    case NETWORK_NO_DEVICE:
        return fail("no such accelerator at REGISTERS");
    case NETWORK_OTHER_DESIGN:
        return fail("the accelerator at REGISTERS is another design");
    case NETWORK_BAD_ADDRESS:
        return fail("MEMORY is no multiple of 4096, or beyond the addresses of the accelerator");
    case NETWORK_TIMEOUT:
        return fail("the accelerator does not come out of its reset");
    }
    uint8_t *image = read_file(words[4], NETWORK_IMAGE_BYTES);
    if (!image)
        return fail("the image is not that of this network");
    network_load(memory, image);
    free(image);
    for (int i = 0; i < NETWORK_INPUTS; i++) {
        float *values = read_file(words[5 + i], network_elements(&network_inputs[i]) * sizeof *values);
        if (!values)
            return fail("an input file has another size than its tensor");
        network_write(memory, &network_inputs[i], values);
        free(values);
    }
    uint32_t layer = 0;
    int code = network_run((uintptr_t)registers, &layer);
    if (code == NETWORK_TIMEOUT) {
        fprintf(stderr, "error: layer %" PRIu32 " does not end\n", layer);
        return 1;
    }
    if (code) {
        fprintf(stderr, "error: layer %" PRIu32 " failed with code %d\n", layer, code);
        return 1;
    }
    fprintf(stderr, "%" PRIu64 " cycles\n", network_cycles((uintptr_t)registers));
    int wrong = 0;
    for (int i = 0; i < NETWORK_OUTPUTS; i++)
        wrong |= show(memory, &network_outputs[i]);
    return wrong;
}
