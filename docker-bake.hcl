# docker buildx bake edge: the images of boards and servers. tools/images.sh fills the variables.

variable "REGISTRY" { default = "twite" }
variable "VERSION" { default = "0.1.0" }
# The folder of a bundle, which becomes the last layer; without one the image serves /model.
variable "BUNDLE" { default = "" }
# A folder with system/ARCHITECTURE and packages/ARCHITECTURE, for machines without a registry.
variable "CONTEXTS" { default = "" }
# A folder with what an accelerator needs and no package has, laid over the root: docs/edge.md.
variable "ACCELERATOR" { default = "" }
# One date for all files: a layer is the same bytes whenever it is built.
variable "SOURCE_DATE_EPOCH" { default = "1767225600" }
variable "REVISION" { default = "" }

function "contexts" {
  params = [kind]
  result = merge(
    CONTEXTS == "" ? {} : {
    debian = "images", system = "${CONTEXTS}/${kind}/system", packages = "${CONTEXTS}/${kind}/packages",
    },
    CONTEXTS == "" || kind != "lambda" ? {} : { emulator = "${CONTEXTS}/emulator" },
    BUNDLE == "" ? {} : { bundle = BUNDLE },
    ACCELERATOR == "" ? {} : { accelerator = ACCELERATOR },
  )
}

function "tag" {
  params = [name]
  result = ["${REGISTRY}/${name}:${VERSION}"]
}

function "notes" {
  params = [kind]
  result = join(",", [
    "annotation-${kind}.org.opencontainers.image.title=twite",
    "annotation-${kind}.org.opencontainers.image.description=Serves verified TFLite bundles",
    "annotation-${kind}.org.opencontainers.image.version=${VERSION}",
    "annotation-${kind}.org.opencontainers.image.licenses=Apache-2.0",
  ])
}

group "default" { targets = ["edge"] }
group "everything" { targets = ["edge", "edge-armv7", "edge-edgetpu", "edge-gpu", "edge-jetson"] }

target "image" {
  dockerfile = "Dockerfile.arm64"
  contexts   = contexts("cpu")
  target     = BUNDLE == "" ? "edge" : "edge-bundle"
  # Attestations would wrap each image in an index of its own, with times in it.
  attest = ["type=provenance,disabled=true", "type=sbom,disabled=true"]
  output = ["type=image,oci-mediatypes=true,${notes("manifest")}"]
  args   = { SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH }
  labels = {
    "org.opencontainers.image.title"       = "twite"
    "org.opencontainers.image.description" = "Serves verified TFLite bundles"
    "org.opencontainers.image.version"     = VERSION
    "org.opencontainers.image.revision"    = REVISION
    "org.opencontainers.image.licenses"    = "Apache-2.0"
  }
}

target "edge" {
  inherits  = ["image"]
  platforms = ["linux/arm64", "linux/amd64"]
  output    = ["type=image,oci-mediatypes=true,${notes("index")},${notes("manifest")}"]
  tags      = tag("edge")
}

# The second engine: no other has wheels for 32-bit ARM.
target "edge-armv7" {
  inherits  = ["image"]
  platforms = ["linux/arm/v7"]
  tags      = tag("edge-armv7")
}

target "edge-edgetpu" {
  inherits = ["edge"]
  args     = { VARIANT = "edgetpu" }
  contexts = contexts("edgetpu")
  tags     = tag("edge-edgetpu")
}

target "edge-gpu" {
  inherits = ["edge"]
  args     = { VARIANT = "gpu" }
  contexts = contexts("gpu")
  tags     = tag("edge-gpu")
}

# The same layers with what NVIDIA's container runtime reads.
target "edge-jetson" {
  inherits  = ["image"]
  platforms = ["linux/arm64"]
  args      = { VARIANT = "gpu" }
  contexts  = contexts("gpu")
  target    = BUNDLE == "" ? "edge-jetson" : "edge-jetson-bundle"
  tags      = tag("edge-jetson")
}

# Lambda takes one architecture a tag.
group "lambda" { targets = ["lambda-arm64", "lambda-amd64"] }

target "function" {
  inherits   = ["image"]
  dockerfile = "Dockerfile.lambda"
  contexts   = contexts("lambda")
  target     = "lambda"
}

target "lambda-arm64" {
  inherits  = ["function"]
  platforms = ["linux/arm64"]
  tags      = ["${REGISTRY}/lambda:${VERSION}-arm64"]
}

target "lambda-amd64" {
  inherits  = ["function"]
  platforms = ["linux/amd64"]
  tags      = ["${REGISTRY}/lambda:${VERSION}-amd64"]
}

# With the emulator inside, for this machine: docker run -p 9000:8080.
target "lambda-emulated" {
  inherits = ["function"]
  target   = "emulated"
  tags     = ["${REGISTRY}/lambda-emulated:${VERSION}"]
}

target "lambda-emulated-arm64" {
  inherits  = ["lambda-emulated"]
  platforms = ["linux/arm64"]
  tags      = ["${REGISTRY}/lambda-emulated:${VERSION}-arm64"]
}

target "lambda-sam" {
  inherits = ["function"]
  target   = "sam"
  tags     = ["${REGISTRY}/lambda-sam:${VERSION}"]
}

# With a numpy that is compiled here, without BLAS.
group "lambda-slim" { targets = ["lambda-slim-arm64", "lambda-slim-amd64"] }

target "slim" {
  args     = { NUMPY = "slim" }
  contexts = CONTEXTS == "" ? {} : { compiler = "${CONTEXTS}/slim/compiler", sources = "${CONTEXTS}/slim/sources" }
}

target "lambda-slim-arm64" {
  inherits = ["lambda-arm64", "slim"]
  tags     = ["${REGISTRY}/lambda-slim:${VERSION}-arm64"]
}

target "lambda-slim-amd64" {
  inherits = ["lambda-amd64", "slim"]
  tags     = ["${REGISTRY}/lambda-slim:${VERSION}-amd64"]
}
