# One role of sidekiq-cron: sidekiq.rb schedule|entries, against the Redis of REDIS_URL. Sidekiq loads this file too.
require "json"
require "sidekiq"
require "sidekiq-cron"

Sidekiq.configure_client { |config| config.redis = {url: ENV.fetch("REDIS_URL")} }
Sidekiq.configure_server do |config|
  config.redis = {url: ENV.fetch("REDIS_URL")}
  Sidekiq::Options[:cron_poll_interval] = 5
  config.on(:startup) do
    Sidekiq::Cron::Job.create(name: "tick", cron: "*/10 * * * * *", class: "Ok", args: ["secret"])
    Sidekiq::Cron::Job.create(name: "nightly", cron: "0 3 * * *", class: "Ok")
  end
end

class Ok
  include Sidekiq::Worker

  def perform(*) = nil
end

# What sidekiq-cron itself tells of its jobs.
def entries
  jobs = Sidekiq::Cron::Job.all.to_h do |job|
    last = job.last_enqueue_time
    last = Sidekiq::Cron::Job.send(:new, {}).send(:parse_enqueue_time, last) if last.is_a?(String)
    told = last ? {last: last.to_time.to_f, next: Fugit.parse(job.cron).next_time(last.utc).to_f} : {}
    [job.name, told]
  end
  {version: Gem::Specification.find_by_name("sidekiq-cron").version.to_s, entries: jobs}
end

case ARGV[0]
when "schedule" then exec("sidekiq", "-r", File.expand_path(__FILE__), "-c", "1")
when "entries" then $stdin.each_line { puts JSON.generate(entries); $stdout.flush }
end
