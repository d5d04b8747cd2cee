#include "cuda/load.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "core/model_file.h"
#include "core/requests.h"
#include "cuda/dequantize.h"
#include "cuda/device.h"
#include "cuda/event.h"
#include "cuda/memory.h"
#include "cuda/packed.h"
#include "cuda/stream.h"

namespace kigo::cuda {

namespace {

/**
 * Each reader has two slices on their way, so that a read and a copy overlap. One reader copies out of the page cache
 * at 5 to 10 GB/s, and PCIe takes 25 to 55; a slice is small enough to be read in the time that cancelling may take.
 */
constexpr int kReaders = 6;
constexpr uint64_t kSliceBytes = 8 << 20;  // more where a single row is longer
constexpr auto kReportEvery = std::chrono::milliseconds(20);

/** A part of a transfer that fits the buffers. */
struct Slice {
  const Transfer* transfer;
  int64_t row_first;
  int64_t n_rows;
  uint64_t bytes() const { return static_cast<uint64_t>(n_rows) * transfer->row_bytes; }
};

uint64_t slice_bytes(const std::vector<Transfer>& transfers) {
  uint64_t bytes = kSliceBytes;
  for (const Transfer& t : transfers) bytes = std::max(bytes, t.row_bytes);
  return bytes;
}

std::vector<Slice> cut(std::vector<Transfer>& transfers, uint64_t slice_bytes) {
  std::sort(transfers.begin(), transfers.end(), [](const Transfer& a, const Transfer& b) {
    return std::pair(a.file, a.offset) < std::pair(b.file, b.offset);
  });
  std::vector<Slice> slices;
  for (const Transfer& t : transfers) {
    const auto step = static_cast<int64_t>(slice_bytes / t.row_bytes);
    for (int64_t row = 0; row < t.n_rows; row += step) slices.push_back({&t, row, std::min(step, t.n_rows - row)});
  }
  return slices;
}

/** What the readers share. */
struct Work {
  Work(const DeviceTraits& d, const std::vector<FileIdentity>& f, std::vector<Transfer>& transfers)
      : device(d), files(f), buffer_bytes(slice_bytes(transfers)), slices(cut(transfers, buffer_bytes)) {}

  const DeviceTraits& device;
  const std::vector<FileIdentity>& files;
  const uint64_t buffer_bytes;  // no slice has more
  const std::vector<Slice> slices;
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> done_bytes{0};
  std::atomic<bool> stop{false};

  std::mutex mutex;
  std::condition_variable ended;
  int n_running = 0;
  std::exception_ptr error;  // the first one

  /** The next slice; NULL: there is none, or somebody failed. */
  const Slice* take() {
    const size_t i = stop ? slices.size() : next++;
    return i < slices.size() ? &slices[i] : nullptr;
  }
  void end(std::exception_ptr thrown) {
    const std::lock_guard lock(mutex);
    if (thrown && !error) error = thrown;
    if (thrown) stop = true;
    --n_running;
    ended.notify_all();
  }
};

/** Reads slices until none is left, each through one of two buffers on the host and one beside it on the device. */
class Reader {
 public:
  explicit Reader(Work& work)
      : work_(work),
        pinned_(2 * work.buffer_bytes),
        staging_(staging_bytes_, 2 * work.buffer_bytes, "loading the weights") {}
  ~Reader() { forget(cudaStreamSynchronize(stream_.get())); }  // before the buffers go
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void run() {
    make_current(work_.device);
    size_t turn = 0;
    while (const Slice* slice = work_.take()) {
      load(*slice, turn);
      turn = 1 - turn;
    }
    stream_.wait();
  }

 private:
  void load(const Slice& slice, size_t turn) {
    const Transfer& t = *slice.transfer;
    auto* host = pinned_.at<uint8_t>(turn * work_.buffer_bytes);
    auto* raw = staging_.at<uint8_t>(turn * work_.buffer_bytes);
    copied_[turn].wait();  // what stood in this buffer before
    file(t.file).read(t.offset + static_cast<uint64_t>(slice.row_first) * t.row_bytes, slice.bytes(), host);
    check(cudaMemcpyAsync(raw, host, slice.bytes(), cudaMemcpyHostToDevice, stream_.get()), "copying the weights");
    copied_[turn].record(stream_.get());

    if (t.is_vector) {
      const Matrix row = {.type = t.type, .n_in = slice.n_rows, .n_out = 1, .data = raw};
      dequantize_f32(stream_.get(), row, 0, 1, reinterpret_cast<float*>(t.to) + slice.row_first);
    } else {
      const uint64_t at = static_cast<uint64_t>(slice.row_first) * packed_row_bytes(t.type, t.n_in);
      pack_rows(stream_.get(), t.type, raw, slice.n_rows, t.n_in, reinterpret_cast<uint8_t*>(t.to + at));
    }
    work_.done_bytes += slice.bytes();
  }

  /** The one file that is open: slices come in the files' order. */
  const ModelFile& file(uint32_t index) {
    if (!file_ || file_index_ != index) {
      file_.emplace(work_.files[index]);
      file_index_ = index;
    }
    return *file_;
  }

  Work& work_;
  std::optional<ModelFile> file_;  // its own, so that the system reads ahead for each reader
  uint32_t file_index_ = 0;
  std::atomic<uint64_t> staging_bytes_{0};
  Stream stream_;
  PinnedBlock pinned_;
  DeviceBlock staging_;
  std::array<Event, 2> copied_;
};

/** What `body` throws; NULL: nothing. */
template <class Body>
std::exception_ptr outcome_of(Body&& body) {
  try {
    body();
    return nullptr;
  } catch (...) { return std::current_exception(); }
}

/** Reports and looks for a cancel until the readers have ended; then throws what stopped them, if anything did. */
void watch(Work& work, const kigo_load& load, uint64_t total) {
  const auto report = [&](uint64_t done) {
    if (load.progress != nullptr) load.progress(load.progress_context, done, total);
    poll_cancel(load.cancel);
  };
  std::unique_lock lock(work.mutex);
  while (!work.ended.wait_for(lock, kReportEvery, [&] { return work.n_running == 0; })) {
    lock.unlock();
    report(work.done_bytes);
    lock.lock();
  }
  if (work.error) std::rethrow_exception(work.error);
  lock.unlock();
  report(total);
}

}  // namespace

void load_weights(const DeviceTraits& device, const std::vector<FileIdentity>& files, std::vector<Transfer> transfers,
                  const kigo_load& load) {
  for (const FileIdentity& file : files) expect_unchanged(file);
  Work work(device, files, transfers);
  uint64_t total = 0;
  for (const Slice& slice : work.slices) total += slice.bytes();
  if (load.progress != nullptr) load.progress(load.progress_context, 0, total);
  poll_cancel(load.cancel);

  std::deque<Reader> readers;
  const size_t n = std::min<size_t>(kReaders, 1 + total / kSliceBytes);  // no more than there is work for
  for (size_t i = 0; i < n; ++i) readers.emplace_back(work);
  {
    std::vector<std::jthread> threads;  // joined before the readers go
    work.n_running = static_cast<int>(n);
    try {
      for (Reader& reader : readers)
        threads.emplace_back([&work, &reader] { work.end(outcome_of([&] { reader.run(); })); });
      watch(work, load, total);
    } catch (...) {
      work.stop = true;
      throw;
    }
  }
  for (const FileIdentity& file : files) expect_unchanged(file);
}

}  // namespace kigo::cuda
