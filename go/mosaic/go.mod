module carob/mosaic

go 1.19
