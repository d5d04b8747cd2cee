import { execFileSync } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { readGguf } from './index.ts'
import { buildGguf, u64 } from './testing/build-gguf.ts'
import { TempFiles } from './testing/temp-files.ts'
import { tinyModel } from './testing/tiny-model.ts'

const files = new TempFiles()
afterAll(() => files.remove())

const hex = (digits: string) => Buffer.concat([Buffer.from(digits, 'hex'), Buffer.alloc(64, 1)])
const json = '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
const safetensors = Buffer.concat([u64(BigInt(json.length)).bytes, Buffer.from(json), Buffer.alloc(4)])
const tar = Buffer.alloc(1024)
tar.write('model.gguf', 0)
tar.write('ustar', 257)
const zip = (name: string) => Buffer.concat([hex('504b030414000000'), Buffer.from(name)])

describe('a file that is no GGUF is named by what it is, with the way out', () => {
  it.each<[string, Buffer, RegExp, RegExp]>([
    ['zeros', Buffer.alloc(1000), /download that did not finish/, /Download the file again/],
    ['a few zeros', Buffer.alloc(3), /download that did not finish/, /Download the file again/],
    ['nothing', Buffer.alloc(0), /The file is empty/, /download it again/],
    ['gzip', gzipSync(buildGguf(tinyModel())), /a gzip archive/, /gzip -dc .*file\.gguf'? > model\.gguf/],
    ['xz', hex('fd377a585a00'), /an xz archive/, /xz -dc/],
    ['Zstandard', hex('28b52ffd'), /a Zstandard archive/, /zstd -dc/],
    ['bzip2', hex('425a6839'), /a bzip2 archive/, /bzip2 -dc/],
    ['7-Zip', hex('377abcaf271c'), /a 7-Zip archive/, /Unpack it/],
    ['RAR', hex('526172211a0700'), /a RAR archive/, /Unpack it/],
    ['ZIP', zip('model.gguf'), /a ZIP archive/, /Unpack it/],
    ['PyTorch', zip('archive/data.pkl'), /weights of PyTorch/, /GGUF version/],
    ['older PyTorch', hex('80028a0a6cfc9c46f9206aa85019'), /weights of PyTorch/, /GGUF version/],
    ['tar', tar, /a tar archive/, /Unpack it/],
    ['safetensors', safetensors, /safetensors/, /GGUF version/],
    ['HDF5', hex('894844460d0a1a0a'), /Keras/, /GGUF version/],
    ['TensorFlow Lite', Buffer.from('\x1c\0\0\0TFL3\0\0'), /TensorFlow Lite/, /GGUF version/],
    ['a program', hex('7f454c46'), /a program/, /ends in/],
    ['a program for Windows', hex('4d5a9000'), /a program/, /ends in/],
    ['a PDF', Buffer.from('%PDF-1.7\n'), /PDF/, /ends in/],
    ['a page', Buffer.from('<!DOCTYPE html><html>'), /a web page/, /download button/],
    [
      'a page behind white space',
      Buffer.from('\uFEFF\r\n <HTML lang="en">'),
      /a web page/,
      /download button/,
    ],
    ['a message of a store', Buffer.from('<?xml version="1.0"?><Error>'), /a web page/, /download button/],
    [
      'a pointer of Git LFS',
      Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
      /Git LFS/,
      /git lfs pull/,
    ],
    ['a message', Buffer.from('Entry not found'), /text, not a GGUF.*"Entry not found"/, /download/],
    ['JSON', Buffer.from('{"error":\n"Access denied"}'), /text, not a GGUF.*error/, /download/],
    ['text that would steer a terminal', Buffer.from('\u001b[31mred'), /not a GGUF/, /GGUF|\.gguf/],
    ['GGML', Buffer.from('lmgg1234'), /GGML/, /GGUF version/],
    ['anything', hex('a1b2c3d4'), /not a GGUF/, /\.gguf/],
  ])('%s', async (_, bytes, words, hint) => {
    await expect(readGguf(files.write(bytes, "it's file.gguf"))).rejects.toMatchObject({
      code: 'MODEL_NOT_GGUF',
      message: expect.stringMatching(words),
      hint: expect.stringMatching(hint),
    })
  })

  it.skipIf(process.platform === 'win32')('and the command that is shown unpacks it', async () => {
    const whole = buildGguf(tinyModel())
    const file = files.write(gzipSync(whole), "it's a model.gguf")
    const { hint } = (await readGguf(file).catch((error: { hint: string }) => error)) as { hint: string }
    execFileSync('sh', ['-c', hint.slice(hint.indexOf('gzip'))], { cwd: files.dir })
    expect((await readGguf(`${files.dir}/model.gguf`)).files[0]?.bytes).toBe(whole.length)
  })
})
