// Writes MP4 files (ISO/IEC 14496-12) of frames at a constant rate and, if there is any, sound.

const VIDEO_SCALE = 90_000; // units of time per second; a multiple of all usual frame rates

// video: { codec, description, width, height, rate, samples: [{ data: Uint8Array, isKey }] }
// audio: null, or { codec, description, rate, channels, samples: [{ data, duration in units of its rate }] }
// Returns a Blob.
export function mp4(video, audio) {
  const step = Math.round(VIDEO_SCALE / video.rate);
  const tracks = [{
    id: 1, kind: "vide", scale: VIDEO_SCALE, samples: video.samples.map(({ data, isKey }) => ({ data, isKey, duration: step })),
    media: full("vmhd", 0, 1, zeros(8)), entry: videoEntry(video), width: video.width, height: video.height,
  }];
  if (audio?.samples.length) tracks.push({
    id: 2, kind: "soun", scale: audio.rate, samples: audio.samples,
    media: full("smhd", 0, 0, zeros(4)), entry: audioEntry(audio), width: 0, height: 0,
  });
  const head = box("ftyp", text("isom"), u32(512), text("isomiso2avc1mp41"));
  const length = bytesOf(moov(tracks, [0, 0])); // the offsets do not change it
  const offsets = [];
  let end = bytesOf(head) + length + 16; // an mdat with a size of 64 bits
  for (const { samples } of tracks) {
    offsets.push(end);
    end += samples.reduce((sum, { data }) => sum + data.length, 0);
  }
  const data = tracks.flatMap(({ samples }) => samples.map((sample) => sample.data));
  const start = [u32(1), text("mdat"), u64(16 + data.reduce((sum, { length }) => sum + length, 0))];
  return new Blob([...flat(head), ...flat(moov(tracks, offsets)), ...start, ...data], { type: "video/mp4" });
}

function moov(tracks, offsets) {
  const longest = Math.max(...tracks.map((track) => Math.round((1000 * units(track)) / track.scale)));
  const matrix = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000].map(u32);
  return box("moov",
    full("mvhd", 0, 0, zeros(8), u32(1000), u32(longest), u32(0x10000), u16(0x100), zeros(10), matrix, zeros(24), u32(3)),
    tracks.map((track, number) => trak(track, offsets[number], matrix)));
}

function trak(track, offset, matrix) {
  const { id, kind, scale, samples, media, entry, width, height } = track;
  const duration = units(track), milliseconds = Math.round((1000 * duration) / scale);
  const volume = kind === "soun" ? 0x100 : 0;
  const keys = samples.flatMap(({ isKey }, number) => (isKey ? [u32(number + 1)] : []));
  const table = box("stbl",
    full("stsd", 0, 0, u32(1), entry),
    full("stts", 0, 0, durations(samples)),
    keys.length ? full("stss", 0, 0, u32(keys.length), keys) : [],
    full("stsc", 0, 0, u32(1), u32(1), u32(samples.length), u32(1)),
    full("stsz", 0, 0, u32(0), u32(samples.length), samples.map(({ data }) => u32(data.length))),
    full("co64", 0, 0, u32(1), u64(offset)));
  return box("trak",
    full("tkhd", 0, 3, zeros(8), u32(id), zeros(4), u32(milliseconds), zeros(12), u16(volume), zeros(2), matrix,
      u32(width << 16), u32(height << 16)),
    box("mdia",
      full("mdhd", 0, 0, zeros(8), u32(scale), u32(duration), u16(0x55c4), zeros(2)), // 0x55c4: language "und"
      full("hdlr", 0, 0, zeros(4), text(kind), zeros(12), text("streamstyle\0")),
      box("minf", media, box("dinf", full("dref", 0, 0, u32(1), full("url ", 0, 1))), table)));
}

const units = ({ samples }) => samples.reduce((sum, { duration }) => sum + duration, 0);

// Runs of samples of the same duration.
function durations(samples) {
  const runs = [];
  for (const { duration } of samples) {
    const last = runs.at(-1);
    if (last?.duration === duration) last.count += 1;
    else runs.push({ count: 1, duration });
  }
  return [u32(runs.length), runs.map(({ count, duration }) => [u32(count), u32(duration)])];
}

// Sample entries: H.264 as in ISO/IEC 14496-15, VP9 as in "VP Codec ISO Media File Format Binding".
function videoEntry({ codec, description, width, height }) {
  const isH264 = codec.startsWith("avc1");
  const level = Number(codec.split(".")[2] ?? 40); // of vp09.PROFILE.LEVEL.BITS
  const configuration = isH264 ? box("avcC", description)
    : full("vpcC", 1, 0, new Uint8Array([0, level, 0x82, 1, 1, 1, 0, 0])); // 8 bits, 4:2:0, BT.709
  return box(isH264 ? "avc1" : "vp09", zeros(6), u16(1), zeros(16), u16(width), u16(height), u32(0x480000), u32(0x480000),
    zeros(4), u16(1), zeros(32), u16(24), u16(0xffff), configuration);
}

// AAC as in ISO/IEC 14496-14, Opus as in "Encapsulation of Opus in ISO Base Media File Format".
function audioEntry({ codec, description, rate, channels }) {
  const isAac = codec.startsWith("mp4a");
  const head = [zeros(6), u16(1), zeros(8), u16(channels), u16(16), zeros(4), u32(rate * 65536)];
  if (!isAac) {
    const skip = description?.length >= 12 ? description[10] + 256 * description[11] : 312;
    return box("Opus", head, box("dOps", new Uint8Array([0, channels]), u16(skip), u32(rate), u16(0), new Uint8Array([0])));
  }
  const specific = descriptor(5, description);
  const decoder = descriptor(4, new Uint8Array([0x40, 0x15, 0, 0, 0]), u32(0), u32(0), specific);
  return box("mp4a", head, full("esds", 0, 0, descriptor(3, u16(0), new Uint8Array([0]), decoder, descriptor(6, new Uint8Array([2])))));
}

const descriptor = (tag, ...parts) => [new Uint8Array([tag, bytesOf(parts)]), parts];
const box = (name, ...parts) => [u32(8 + bytesOf(parts)), text(name), parts];
const full = (name, version, flags, ...parts) => box(name, u32((version << 24) | flags), parts);
const flat = (parts) => (ArrayBuffer.isView(parts) ? [parts] : parts.flat(Infinity));
const bytesOf = (parts) => flat(parts).reduce((sum, { length }) => sum + length, 0);
const zeros = (count) => new Uint8Array(count);
const text = (letters) => new TextEncoder().encode(letters);
const u16 = (value) => new Uint8Array([value >> 8, value]);
const u32 = (value) => new Uint8Array([value / 2 ** 24, value >> 16, value >> 8, value]);
const u64 = (value) => [u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32)].reduce((a, b) => new Uint8Array([...a, ...b]));
