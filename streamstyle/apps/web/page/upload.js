// Uploads to the server, one at a time, with progress and cancel.

const byId = (id) => document.getElementById(id);
const INTERRUPTED = "The upload was interrupted. Try again.";

let request = null;
byId("cancel").addEventListener("click", () => request?.abort());

export const isUploading = () => request !== null;

// The server's answer, { refused: why } if there is none, or null if the upload was cancelled.
// address: of the server; label: what is shown meanwhile.
export function upload(address, file, label) {
  return new Promise((done) => {
    request = new XMLHttpRequest();
    request.open("POST", address);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => { byId("progress").value = total ? loaded / total : 0; };
    const end = (answer) => {
      request = null;
      byId("uploading").hidden = true;
      done(answer);
    };
    request.onload = ({ target }) =>
      end(target.status === 200 ? target.response : { refused: target.response?.refused ?? "The file was refused." });
    request.onerror = () => end({ refused: INTERRUPTED });
    request.onabort = () => end(null);
    byId("progress").value = 0;
    byId("uploading").hidden = false;
    document.querySelector("label[for=progress]").textContent = label;
    request.send(file);
  });
}
