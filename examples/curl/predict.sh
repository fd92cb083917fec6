#!/bin/sh
# tip-adapter serve pets.safetensors, and in another terminal: ./predict.sh http://127.0.0.1:8080/v1/models/pets photo.jpg
set -eu
curl --fail-with-body --silent --show-error --form "picture=@$2" "$1/predict"
echo
