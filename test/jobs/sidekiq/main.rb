# One role of Sidekiq: main.rb produce|work|figures, against the Redis of REDIS_URL.
require "json"
require_relative "jobs"
require "sidekiq/api"

def produce
  3.times { Ok.perform_async }
  2.times { Fails.perform_async("bob@example.com") }
  Dies.perform_async("bob@example.com")
  4.times { Slow.perform_async }
  2.times { Ok.set(queue: "unserved").perform_async }
  Ok.perform_in(3600)
  Ok.perform_in(1)
end

# What Sidekiq's own API tells, under the plugin's names.
def figures
  stats = Sidekiq::Stats.new
  queues = Sidekiq::Queue.all
  processes = Sidekiq::ProcessSet.new(false) # true would remove the dead ones
  works = (defined?(Sidekiq::WorkSet) ? Sidekiq::WorkSet : Sidekiq::Workers).new.to_a
  running = works.map { |_, _, work| Time.now.to_f - (work.respond_to?(:run_at) ? work.run_at : work["run_at"]).to_f }
  {
    version: Sidekiq::VERSION,
    failures: [Sidekiq::RetrySet.new, Sidekiq::DeadSet.new].flat_map(&:to_a).map do |job|
      {class: job.display_class, queue: job.queue, error: job["error_class"], message: job["error_message"]}
    end,
    queues: queues.to_h { |q| [q.name, {waiting: q.size, latency: q.latency, paused: q.paused? ? 1 : 0}] },
    system: {
      waiting: stats.enqueued, scheduled: stats.scheduled_size, retry: stats.retry_size, failed: stats.dead_size,
      processed_total: stats.processed, failed_total: stats.failed, latency: queues.map(&:latency).max || 0,
      workers: stats.processes_size, workers_alive: processes.to_a.size, workers_busy: stats.workers_size,
      workers_slots: processes.total_concurrency, active: works.size, oldest_running: running.max || 0
    }
  }
end

# Sidekiq's own program: Debian's, or that of the unpacked packages.
def worker
  path = Gem.find_files("sidekiq/cli.rb").first or return ["sidekiq"]
  program = File.expand_path("../../bin/sidekiq", File.dirname(path))
  ENV["RUBY"] && File.exist?(program) ? [*ENV["RUBY"].split, program] : ["sidekiq"]
end

case ARGV[0]
when "produce" then produce
when "work" then exec(*worker, "-r", File.join(__dir__, "jobs.rb"), "-q", "default", "-q", "slow", "-c", "2")
when "figures" then $stdin.each_line { puts JSON.generate(figures); $stdout.flush }
else abort "main.rb produce|work|figures"
end
