"""The complete accelerator round an array of any connectivity: address generators, banked buffers, tile control."""
